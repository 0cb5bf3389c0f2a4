"""Optimizers of the phases."""

from __future__ import annotations

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
    lazy = phase.every / (phase.every + 1) if phase.every > 1 else 1.0
    lr = base_rate(phase)
    if chosen.name == "adam":
        betas = (chosen.betas[0] ** lazy, chosen.betas[1] ** lazy)
        return torch.optim.Adam(parameters, lr, betas, fused=True)
    if chosen.name == "sgd":
        return torch.optim.SGD(parameters, lr, chosen.momentum, fused=True)
    return torch.optim.RMSprop(parameters, lr, momentum=chosen.momentum)


def base_rate(phase: Phase) -> float:
    """The learning rate before its schedule."""
    lazy = phase.every > 1 and phase.optimizer.name == "adam"
    return phase.optimizer.lr * (phase.every / (phase.every + 1) if lazy else 1.0)
