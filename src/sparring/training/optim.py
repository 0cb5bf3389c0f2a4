"""Optimizers of the phases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from sparring.games import Phase


def make_optimizers(
    phases: Sequence[Phase], players: dict[str, nn.Module]
) -> dict[str, torch.optim.Optimizer]:
    """The optimizer of each phase that shares no other's, by its name."""
    return {
        phase.name: make_optimizer(phase, players, share(phase, phases))
        for phase in phases
        if phase.shares is None
    }


def share(phase: Phase, phases: Sequence[Phase]) -> float:
    """The share that the main phase has of all moves by a phase's optimizer."""
    main = next(one for one in phases if one.name == (phase.shares or phase.name))
    own = main.repeats / main.every
    others = sum(one.repeats / one.every for one in phases if one.shares == main.name)
    return own / (own + others)


def make_optimizer(
    phase: Phase, players: dict[str, nn.Module], share: float
) -> torch.optim.Optimizer:
    """An optimizer over the players' parameters, fused where PyTorch has it."""
    chosen = phase.optimizer
    parameters = [p for name in phase.players for p in players[name].parameters()]
    start = settings_at(phase, 0.0, share)
    if chosen.name == "adam":
        return torch.optim.Adam(parameters, **start, fused=True)
    if chosen.name == "sgd":
        return torch.optim.SGD(parameters, **start, momentum=chosen.momentum, fused=True)
    return torch.optim.RMSprop(parameters, **start, momentum=chosen.momentum)


def settings_at(phase: Phase, progress: float, share: float) -> dict[str, Any]:
    """What an optimizer goes by at a share of the run, 0 to 1: its rate and Adam's betas.

    Adam's are corrected by the main phase's share of all moves, so that its moments decay over the
    steps as if it made no others: a regularization that shares it each k-th step gives k / (k + 1)
    (Karras et al., 2020, appendix B).
    """
    chosen = phase.optimizer
    rate = chosen.lr * chosen.schedule.factor(progress)
    if chosen.name != "adam":
        return {"lr": rate}
    first, second = chosen.betas_at(progress)
    return {"lr": rate * share, "betas": (first**share, second**share)}
