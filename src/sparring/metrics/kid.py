"""The kernel distance: unbiased squared MMD with a cubic kernel (Bińkowski et al., 2018)."""

from __future__ import annotations

import statistics

from torch import Tensor

from sparring.metrics.record import Comparison, Estimate

BLOCK = 2000  # samples of each side that are compared at a time


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """Unbiased MMD² with k(x, y) = (x·y / F + 1)³ over all pairs; may be a little below 0."""
    n, m = len(real), len(fake)
    of_real, of_fake = _kernel(real, real), _kernel(fake, fake)
    within = of_real.sum() - of_real.trace()
    within_fake = of_fake.sum() - of_fake.trace()
    across = _kernel(real, fake).sum()
    return (within / (n * (n - 1)) + within_fake / (m * (m - 1)) - 2 * across / (n * m)).item()


def kid(comparison: Comparison) -> Estimate:
    """The mean kernel distance over disjoint blocks of at most 2,000 samples of each side.

    The standard error is that over the blocks, where there are at least two.
    """
    blocks = max(1, min(len(comparison.real), len(comparison.fake)) // BLOCK)
    pairs = zip(comparison.real.chunk(blocks), comparison.fake.chunk(blocks), strict=True)
    values = [kernel_distance(real, fake) for real, fake in pairs]
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
    return Estimate(statistics.fmean(values), error)


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return ((x @ y.T) / x.shape[1] + 1).pow_(3)
