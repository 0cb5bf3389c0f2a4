"""Losses, penalties, further terms and augmentations: functions of a batch."""

from sparring.objectives.augment import Augment
from sparring.objectives.losses import LOSSES, PAIRINGS, Loss, Objective, objective
from sparring.objectives.penalties import PENALTIES, make_penalties, make_penalty
from sparring.objectives.stages import AUGMENTS, make_augment
from sparring.objectives.term import Term, Weight
from sparring.objectives.terms import TERMS, make_terms
from sparring.objectives.unrolled import Unrolled, unrolled

__all__ = [
    "AUGMENTS",
    "LOSSES",
    "PAIRINGS",
    "PENALTIES",
    "TERMS",
    "Augment",
    "Loss",
    "Objective",
    "Term",
    "Unrolled",
    "Weight",
    "make_augment",
    "make_penalties",
    "make_penalty",
    "make_terms",
    "objective",
    "unrolled",
]
