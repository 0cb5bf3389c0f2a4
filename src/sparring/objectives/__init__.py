"""Losses and penalties: pure functions of a batch."""

from sparring.objectives.losses import LOSSES, PAIRINGS, Loss, Objective, objective
from sparring.objectives.penalties import PENALTIES, make_penalty
from sparring.objectives.term import Term, Weight

__all__ = [
    "LOSSES",
    "PAIRINGS",
    "PENALTIES",
    "Loss",
    "Objective",
    "Term",
    "Weight",
    "make_penalty",
    "objective",
]
