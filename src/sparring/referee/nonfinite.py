"""NaN and Inf: training cannot go on, and the step where it began is known."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.referee.finding import Finding
from sparring.training.loop import Tick
from sparring.training.state import State


def nonfinite(tick: Tick, state: State) -> Finding | None:
    """The first statistic that went bad, and the first player's tensor that is bad by now."""
    if tick.nonfinite is None and _weights_are_finite(state):
        return None
    tensors = [
        f"{player}.{name}"
        for player, network in state.game.players.items()
        for name, tensor in network.state_dict().items()
        if not bool(tensor.isfinite().all())
    ]
    statistic, step = tick.nonfinite or (tensors[0], tick.step)
    where = f"; {len(tensors)} tensors are bad by now, the first is {tensors[0]}" if tensors else ""
    return Finding(
        "nonfinite",
        "fatal",
        step,
        f"{statistic} is NaN or infinite since step {step}{where}",
        "lower optimizer.generator.lr and optimizer.discriminator.lr, "
        "or set precision.discriminator=fp32",
    )


@torch.no_grad()
def _weights_are_finite(state: State) -> bool:
    """One pass over all weights and one synchronization: a norm is finite if its tensor is."""
    weights: list[Tensor] = [weight for one in state.parameters.values() for weight in one]
    return bool(torch.stack(torch._foreach_norm(weights)).isfinite().all())
