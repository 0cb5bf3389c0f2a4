"""The averaged player: what is sampled, scored and shipped."""

from __future__ import annotations

import copy

import torch
from torch import nn

from sparring.networks.growing import Growing
from sparring.recipe import Ema


class EMA:
    """An exponential moving average of a module's weights and running statistics.

    The half-life is counted in samples seen, so that it does not depend on the batch size; early
    on it is at most `ramp_up` times the samples seen (Karras et al., 2020). A network that grows is
    averaged at the stage that its source is at.
    """

    def __init__(self, source: nn.Module, config: Ema) -> None:
        self.config, self.source = config, source
        self.module = copy.deepcopy(source).eval().requires_grad_(False)
        # Weights and float statistics are averaged, counters are copied.
        state, average = source.state_dict(keep_vars=True), self.module.state_dict()
        floats = [name for name, tensor in average.items() if tensor.is_floating_point()]
        others = [name for name in average if name not in set(floats)]
        self._float = [average[name] for name in floats], [state[name].detach() for name in floats]
        self._other = [average[name] for name in others], [state[name].detach() for name in others]

    def decay(self, samples_seen: int, batch_size: int) -> float:
        """How much of the average stays in an update at `samples_seen`."""
        half_life = self.config.half_life
        if self.config.ramp_up is not None:
            half_life = min(half_life, self.config.ramp_up * samples_seen)
        return 0.5 ** (batch_size / half_life) if half_life > 0 else 0.0

    @torch.no_grad()
    def update(self, samples_seen: int, batch_size: int) -> None:
        """Move the average towards the weights after a step that ended at `samples_seen`."""
        torch._foreach_lerp_(*self._float, 1 - self.decay(samples_seen, batch_size))
        for average, now in zip(*self._other, strict=True):
            average.copy_(now)
        if isinstance(self.module, Growing) and isinstance(self.source, Growing):
            self.module.grow(self.source.level, self.source.alpha)
