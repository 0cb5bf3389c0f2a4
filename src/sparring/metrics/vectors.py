"""Distances of vectors as they are: Wasserstein, sliced Wasserstein, moments."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.metrics.record import Comparison, Estimate
from sparring.randomness import keyed

DIRECTIONS = 200


def wasserstein(comparison: Comparison) -> Estimate:
    """The 1-Wasserstein distance of numbers; of vectors its mean over directions (sliced).

    Sliced after Bonneel et al., 2015: over 200 unit vectors drawn from a fixed key.
    """
    real, fake = comparison.real, comparison.fake
    if real.shape[1] == 1:
        return Estimate(quantile_distance(real, fake).item())
    drawn = torch.randn(real.shape[1], DIRECTIONS, generator=keyed("directions")).double()
    directions = drawn / drawn.norm(dim=0)
    distances = quantile_distance(real @ directions, fake @ directions)
    return Estimate(
        distances.mean().item(), flags=[f"sliced: the mean over {DIRECTIONS} directions"]
    )


def quantile_distance(real: Tensor, fake: Tensor) -> Tensor:
    """∫ |F⁻¹ - G⁻¹| for each column of [N, K] and [M, K], exactly, whatever N and M are."""
    levels = torch.cat([torch.arange(1, len(x) + 1).double() / len(x) for x in (real, fake)])
    levels = levels.sort().values
    widths = levels.diff(prepend=levels.new_zeros(1))
    middles = levels - widths / 2
    quantiles = [
        x.sort(dim=0).values[(middles * len(x)).long().clamp(max=len(x) - 1)] for x in (real, fake)
    ]
    return (widths[:, None] * (quantiles[0] - quantiles[1]).abs()).sum(0)


def moments(comparison: Comparison) -> Estimate:
    """The largest error of mean or standard deviation of any coordinate, in real deviations."""
    real, fake = comparison.real, comparison.fake
    scale = real.std(0).clamp(min=1e-12)
    errors = [(fake.mean(0) - real.mean(0)).abs(), (fake.std(0) - real.std(0)).abs()]
    told = [
        f"{name} {_numbers(of(fake))} generated, {_numbers(of(real))} real"
        for name, of in (("mean", lambda x: x.mean(0)), ("std", lambda x: x.std(0)))
    ]
    return Estimate((torch.stack(errors) / scale).max().item(), flags=told)


def _numbers(values: Tensor) -> str:
    return ", ".join(f"{value:.3g}" for value in values[:4].tolist())
