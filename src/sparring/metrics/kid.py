"""The kernel distance: unbiased squared MMD with a cubic kernel (Bińkowski et al., 2018)."""

from __future__ import annotations

from torch import Tensor

from sparring.metrics.record import Comparison, Estimate

ROWS = 2000  # rows of the kernel matrix at a time, for memory


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """Unbiased MMD² with k(x, y) = (x·y / F + 1)³ over all pairs; may be a little below 0."""
    n, m = len(real), len(fake)
    within = _sum(real, real) - _diagonal(real)
    within_fake = _sum(fake, fake) - _diagonal(fake)
    across = _sum(real, fake)
    return within / (n * (n - 1)) + within_fake / (m * (m - 1)) - 2 * across / (n * m)


def kid(comparison: Comparison) -> Estimate:
    """The kernel distance over all samples of both sets."""
    return Estimate(kernel_distance(comparison.real, comparison.fake))


def _sum(x: Tensor, y: Tensor) -> float:
    parts = (((part @ y.T) / x.shape[1] + 1).pow_(3).sum().item() for part in x.split(ROWS))
    return sum(parts)


def _diagonal(x: Tensor) -> float:
    return (x.square().sum(1) / x.shape[1] + 1).pow(3).sum().item()
