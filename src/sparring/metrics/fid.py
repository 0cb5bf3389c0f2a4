"""The Fréchet distance between Gaussians fitted to features (Heusel et al., 2017)."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.metrics.record import Comparison, Estimate

RELIABLE = 2048


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
    flags = []
    fewest = min(len(comparison.real), len(comparison.fake))
    if fewest < RELIABLE:
        flags.append(f"only {fewest} samples: biased upwards, compare at equal numbers only")
    if fewest <= comparison.real.shape[1]:
        flags.append(f"fewer samples than features ({comparison.real.shape[1]})")
    return Estimate(
        frechet_distance(*moments(comparison.real), *moments(comparison.fake)), flags=flags
    )


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [F] and unbiased covariance [F, F]."""
    centered = features - features.mean(0)
    return features.mean(0), centered.T @ centered / max(len(features) - 1, 1)
