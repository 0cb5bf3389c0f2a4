"""Which training samples a move looks at, as a function of counters alone."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.randomness import keyed


class Sampler:
    """Endless shuffled passes over `indices`: the order of pass e depends on (seed, e) only."""

    def __init__(self, indices: Tensor, seed: int) -> None:
        self.indices = indices
        self.seed = seed
        self._passes: dict[int, Tensor] = {}

    def at(self, position: int, count: int) -> Tensor:
        """The indices of `count` samples from `position` of the endless sequence on."""
        size = len(self.indices)
        parts = []
        while count > 0:
            epoch, offset = divmod(position, size)
            part = self._order(epoch)[offset : offset + count]
            parts.append(part)
            position += len(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _order(self, epoch: int) -> Tensor:
        if epoch not in self._passes:
            order = torch.randperm(len(self.indices), generator=keyed(self.seed, "order", epoch))
            # A batch can reach into the next pass, never further back than the one before it.
            self._passes = {key: kept for key, kept in self._passes.items() if key >= epoch - 1}
            self._passes[epoch] = self.indices[order]
        return self._passes[epoch]
