"""Optimizers of the phases."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from sparring.games import Phase


def make_optimizer(phase: Phase, players: dict[str, nn.Module]) -> torch.optim.Optimizer:
    """The phase's optimizer over its players' parameters, fused where PyTorch has it.

    A phase of its own each k-th step gets Adam's rate and betas to the power k / (k + 1), so that
    its moments decay as if it moved every step (Karras et al., 2020, appendix B).
    """
    chosen = phase.optimizer
    parameters = [p for name in phase.players for p in players[name].parameters()]
    start = settings_at(phase, 0.0)
    if chosen.name == "adam":
        return torch.optim.Adam(parameters, **start, fused=True)
    if chosen.name == "sgd":
        return torch.optim.SGD(parameters, **start, momentum=chosen.momentum, fused=True)
    return torch.optim.RMSprop(parameters, **start, momentum=chosen.momentum)


def settings_at(phase: Phase, progress: float) -> dict[str, Any]:
    """What an optimizer goes by at a share of the run, 0 to 1: its rate and Adam's betas."""
    chosen = phase.optimizer
    rate = chosen.lr * chosen.schedule.factor(progress)
    if chosen.name != "adam":
        return {"lr": rate}
    lazy = phase.every / (phase.every + 1) if phase.every > 1 else 1.0
    first, second = chosen.betas_at(progress)
    return {"lr": rate * lazy, "betas": (first**lazy, second**lazy)}
