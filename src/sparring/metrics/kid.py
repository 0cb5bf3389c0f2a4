"""The kernel distance: unbiased squared MMD with a cubic kernel (Bińkowski et al., 2018)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sparring.metrics.record import Comparison, Estimate, once
from sparring.randomness import keyed

BLOCK = 2000  # samples of each side that are compared at a time
SHUFFLES = 100
DIFFERENT = 3.0  # standard deviations from 0


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """Unbiased MMD² with k(x, y) = (x·y / F + 1)³ over all pairs; may be a little below 0."""
    return (_within(real) + _within(fake) - 2 * _kernel(real, fake).mean()).item()


def kid(comparison: Comparison) -> Estimate:
    """The mean kernel distance over disjoint blocks of at most 2,000 samples of each side."""
    blocks = max(1, min(len(comparison.real), len(comparison.fake)) // BLOCK)
    pairs = list(zip(comparison.real.chunk(blocks), comparison.fake.chunk(blocks), strict=True))
    of_real = once(
        comparison.kept, f"{blocks} kernels", lambda: [_within(real) for real, _ in pairs]
    )
    values = [
        (within + _within(fake) - 2 * _kernel(real, fake).mean()).item()
        for within, (real, fake) in zip(of_real, pairs, strict=True)
    ]

    def error() -> float:
        found = [variance(*pair, value) for pair, value in zip(pairs, values, strict=True)]
        return math.sqrt(sum(found)) / blocks

    return Estimate(sum(values) / blocks, error)


def _within(x: Tensor) -> Tensor:
    """The mean kernel of two different rows."""
    kernel = _kernel(x, x)
    return (kernel.sum() - kernel.trace()) / (len(x) * (len(x) - 1))


def variance(real: Tensor, fake: Tensor, distance: float) -> float:
    """The variance of a `kernel_distance` over draws of both sides.

    Where the distributions differ it comes from each sample's own mean difference, `single`; where
    they are equal from pairs alone: what remains of the distance when both sides are shuffled
    together. `single` holds that too, and more of it the larger the distance is by chance: added
    where they may be equal it would make intervals hold 0 nearly always.
    """
    n, m = len(real), len(fake)
    if min(n, m) < 3:
        return math.inf
    both = torch.cat([real, fake])
    kernel = _kernel(both, both).fill_diagonal_(0)
    sums = kernel[:, :n].sum(1), kernel[:, n:].sum(1)
    of_real = sums[0][:n] / (n - 1) - sums[1][:n] / m
    of_fake = sums[1][n:] / (m - 1) - sums[0][n:] / n
    single = 4 * (of_real.var() / n + of_fake.var() / m).item()
    pairs = _shuffled(kernel.float(), n, m).double().var().item()
    return max(single - pairs, pairs) if distance > DIFFERENT * math.sqrt(pairs) else pairs


def _shuffled(kernel: Tensor, n: int, m: int) -> Tensor:
    """The distances [SHUFFLES] of random splits of all samples into n and m."""
    draw = keyed("kid", n, m)
    order = torch.stack([torch.randperm(n + m, generator=draw) for _ in range(SHUFFLES)], dim=1)
    first = (order < n).to(kernel.dtype)
    second = 1 - first
    with_first, with_second = kernel @ first, kernel @ second
    return (
        (first * with_first).sum(0) / (n * (n - 1))
        + (second * with_second).sum(0) / (m * (m - 1))
        - 2 * (first * with_second).sum(0) / (n * m)
    )


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T).div_(x.shape[1]).add_(1).pow_(3)
