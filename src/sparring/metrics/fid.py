"""The Fréchet distance between Gaussians fitted to features (Heusel et al., 2017)."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.metrics.record import Comparison, Estimate

RELIABLE = 2048
GROUPS = 10


def frechet_distance(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    """|μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½), in float64.

    The trace of the root is that of (Σ₁^½ Σ₂ Σ₁^½)^½, which is symmetric: real eigenvalues, no
    imaginary parts, fit for singular covariances.
    """
    values, vectors = torch.linalg.eigh(cov1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    crossed = torch.linalg.eigvalsh(root @ cov2 @ root).clamp(min=0).sqrt().sum()
    distance = (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * crossed
    return max(distance.item(), 0.0)


def fid(comparison: Comparison) -> Estimate:
    """The Fréchet distance of two feature sets; flagged where it is biased by few samples."""
    real, fake = comparison.real, comparison.fake
    flags = []
    fewest = min(len(real), len(fake))
    if fewest < RELIABLE:
        flags.append(f"only {fewest} samples: biased upwards, compare at equal numbers only")
    if fewest <= real.shape[1]:
        flags.append(f"fewer samples than features ({real.shape[1]})")
    return Estimate(distance(real, fake), lambda: _jackknife(real, fake), flags)


def distance(real: Tensor, fake: Tensor) -> float:
    """The Fréchet distance of two feature sets [N, F] and [M, F]."""
    if max(len(real), len(fake)) <= real.shape[1]:
        return _of_few(real, fake)
    return frechet_distance(*moments(real), *moments(fake))


def _of_few(real: Tensor, fake: Tensor) -> float:
    """The same without covariances [F, F], which would be of low rank: quicker, and more exact.

    For Σ₁ = AᵀA and Σ₂ = BᵀB the trace of (Σ₁ Σ₂)^½ is the sum of the singular values of A Bᵀ.
    """
    a, b = _centered(real), _centered(fake)
    apart = (real.mean(0) - fake.mean(0)).square().sum()
    crossed = torch.linalg.svdvals(a @ b.T).sum()
    return max((apart + a.square().sum() + b.square().sum() - 2 * crossed).item(), 0.0)


def _centered(features: Tensor) -> Tensor:
    return (features - features.mean(0)) / max(len(features) - 1, 1) ** 0.5


def _jackknife(real: Tensor, fake: Tensor) -> float | None:
    """The standard error from leaving out a tenth of both sides at a time; None for too few."""
    if min(len(real), len(fake)) < 2 * GROUPS:
        return None
    if max(len(real), len(fake)) <= real.shape[1]:
        return _spread([_of_few(*_without(group, real, fake)) for group in range(GROUPS)])
    sums = [[_sums(part) for part in side.tensor_split(GROUPS)] for side in (real, fake)]
    totals = [[sum(of) for of in zip(*parts, strict=True)] for parts in sums]
    left = []
    for group in range(GROUPS):
        fitted = [
            _from_sums(*(whole - one for whole, one in zip(total, parts[group], strict=True)))
            for total, parts in zip(totals, sums, strict=True)
        ]
        left.append(frechet_distance(*fitted[0], *fitted[1]))
    return _spread(left)


def _spread(left: list[float]) -> float:
    values = torch.tensor(left, dtype=torch.float64)
    return ((GROUPS - 1) * values.var(correction=0)).sqrt().item()


def _without(group: int, *sides: Tensor) -> list[Tensor]:
    """Both sides without one of the tenths that `tensor_split` cuts them into."""
    kept = []
    for side in sides:
        parts = side.tensor_split(GROUPS)
        kept.append(torch.cat([*parts[:group], *parts[group + 1 :]]))
    return kept


def _sums(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Count, sum [F] and sum of products [F, F]."""
    return torch.tensor(float(len(features))), features.sum(0), features.T @ features


def _from_sums(count: Tensor, total: Tensor, products: Tensor) -> tuple[Tensor, Tensor]:
    mean = total / count
    return mean, (products - count * mean.outer(mean)) / (count - 1)


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [F] and unbiased covariance [F, F]."""
    centered = features - features.mean(0)
    return features.mean(0), centered.T @ centered / max(len(features) - 1, 1)
