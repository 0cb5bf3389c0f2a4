"""One summand of a player's loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Weight = float | Callable[[int], float]


@dataclass(frozen=True)
class Term:
    """`fn(batch)` gives values of any shape, mostly one a sample; the step takes their mean.

    `weight` is a number or a function of samples seen. `every=k` computes the term each k-th step,
    scaled by k, inside the same backward pass. `differentiates` names the images (`real`, `fake`)
    or `styles` whose gradients it needs; `reads_real` says that it looks at real samples at all.
    `couples_batch` says that a sample's value depends on the others, which rules micro-batches
    out. A term with memory is an nn.Module as `fn`: its buffers are checkpointed. One that stands
    `apart` is a phase of its own, by its player's optimizer.
    """

    name: str
    fn: Callable[[Any], Tensor]
    weight: Weight = 1.0
    every: int = 1
    differentiates: frozenset[str] = frozenset()
    reads_real: bool = True
    couples_batch: bool = False
    apart: bool = False

    def is_due(self, step: int) -> bool:
        return step % self.every == 0

    def weight_at(self, samples_seen: int) -> float:
        """The weight with the factor for laziness."""
        weight = self.weight(samples_seen) if callable(self.weight) else self.weight
        return weight * self.every
