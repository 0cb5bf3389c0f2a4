"""NaN and Inf: training cannot go on, and the step where it began is known."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sparring.referee.facts import Facts
from sparring.referee.finding import Finding
from sparring.referee.look import Look
from sparring.training.loop import Tick
from sparring.training.state import State

Nonfinite = tuple[str, int, list[str]]  # the first bad statistic, its step, bad tensors by now


def find(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """The first statistic that went bad, and the first player's tensor that is bad by now."""
    bad = next((look for look in looks if look.nonfinite), None)
    if bad is None or bad.nonfinite is None:
        return None
    statistic, step, tensors = bad.nonfinite
    where = f"; {len(tensors)} tensors are bad by now, the first is {tensors[0]}" if tensors else ""
    keys = facts.rate_times("generator", 1 / 3) | facts.rate_times("discriminator", 1 / 3)
    return Finding(
        "nonfinite",
        "fatal",
        step,
        f"{statistic} is NaN or infinite since step {step}{where}",
        "lower optimizer.generator.lr and optimizer.discriminator.lr, "
        "or set precision.discriminator=fp32",
        keys | {"precision.discriminator": "fp32"},
        until=bad.step,
    )


def check(tick: Tick, state: State) -> Nonfinite | None:
    """What is NaN or infinite by this tick."""
    if tick.nonfinite is None and _weights_are_finite(state):
        return None
    tensors = [
        f"{player}.{name}"
        for player, network in state.game.players.items()
        for name, tensor in network.state_dict().items()
        if not bool(tensor.isfinite().all())
    ]
    statistic, step = tick.nonfinite or (tensors[0], tick.step)
    return statistic, step, tensors


@torch.no_grad()
def _weights_are_finite(state: State) -> bool:
    """One pass over all weights and one synchronization: a norm is finite if its tensor is."""
    weights: list[Tensor] = [weight for one in state.parameters.values() for weight in one]
    return bool(torch.stack(torch._foreach_norm(weights)).isfinite().all())
