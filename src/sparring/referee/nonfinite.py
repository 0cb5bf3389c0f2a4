"""NaN and Inf: training cannot go on, and the step where it began is known."""

from __future__ import annotations

from sparring.referee.finding import Finding
from sparring.training.loop import Tick
from sparring.training.state import State


def nonfinite(tick: Tick, state: State) -> Finding | None:
    """The first statistic that went bad, and the first player's tensor that is bad by now."""
    tensors = [
        f"{player}.{name}"
        for player, network in state.game.players.items()
        for name, tensor in network.state_dict().items()
        if not bool(tensor.isfinite().all())
    ]
    if tick.nonfinite is None and not tensors:
        return None
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
