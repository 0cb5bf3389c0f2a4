"""Optimizers of the phases."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from sparring.games import Phase


def make_optimizers(
    phases: Sequence[Phase], players: dict[str, nn.Module]
) -> dict[str, torch.optim.Optimizer]:
    """The optimizer of each phase that shares no other's, by its name.

    Adam's rate and betas are taken to the power of the phase's share of all moves by it, so that
    its moments decay over the steps as if it made no others: a regularization that shares it each
    k-th step gives k / (k + 1) (Karras et al., 2020, appendix B).
    """
    return {
        phase.name: make_optimizer(phase, players, share(phase, phases))
        for phase in phases
        if phase.shares is None
    }


def share(phase: Phase, phases: Sequence[Phase]) -> float:
    """A phase's share of the moves by its optimizer."""
    own = phase.repeats / phase.every
    others = sum(one.repeats / one.every for one in phases if one.shares == phase.name)
    return own / (own + others)


def make_optimizer(
    phase: Phase, players: dict[str, nn.Module], share: float
) -> torch.optim.Optimizer:
    """An optimizer over the players' parameters, fused where PyTorch has it.

    Its default rate is that of the recipe, corrected.
    """
    chosen = phase.optimizer
    parameters = [p for name in phase.players for p in players[name].parameters()]
    if chosen.name == "adam":
        betas = (chosen.betas[0] ** share, chosen.betas[1] ** share)
        return torch.optim.Adam(parameters, chosen.lr * share, betas, fused=True)
    if chosen.name == "sgd":
        return torch.optim.SGD(parameters, chosen.lr, chosen.momentum, fused=True)
    return torch.optim.RMSprop(parameters, chosen.lr, momentum=chosen.momentum)
