"""Manifolds of nearest neighbours: precision and recall, density and coverage."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sparring.errors import InputError
from sparring.metrics.record import Comparison, Estimate

PR_NEIGHBOURS = 3  # Kynkäänniemi et al., 2019, as torch-fidelity has it
DC_NEIGHBOURS = 5  # Naeem et al., 2020, as its authors' prdc has it
ROWS = 2000  # of distances at a time


def precision(comparison: Comparison) -> Estimate:
    """The share of generated samples within a real one's ball of 3 neighbours."""
    radii = ball_radii(comparison.real, PR_NEIGHBOURS)
    return _share(_inside(comparison.fake, comparison.real, radii))


def recall(comparison: Comparison) -> Estimate:
    """The share of real samples within a generated one's ball of 3 neighbours."""
    radii = ball_radii(comparison.fake, PR_NEIGHBOURS)
    return _share(_inside(comparison.real, comparison.fake, radii))


def density(comparison: Comparison) -> Estimate:
    """In how many real balls of 5 neighbours a generated sample lies, divided by 5."""
    radii = ball_radii(comparison.real, DC_NEIGHBOURS)
    counts = torch.cat(
        [
            (torch.cdist(part, comparison.real) < radii).double().sum(1) / DC_NEIGHBOURS
            for part in comparison.fake.split(ROWS)
        ]
    )
    return Estimate(counts.mean().item(), counts.std().item() / math.sqrt(len(counts)))


def coverage(comparison: Comparison) -> Estimate:
    """The share of real samples whose ball of 5 neighbours holds a generated one."""
    radii = ball_radii(comparison.real, DC_NEIGHBOURS)
    nearest = torch.cat(
        [torch.cdist(part, comparison.fake).min(1).values for part in comparison.real.split(ROWS)]
    )
    return _share(nearest < radii)


def ball_radii(features: Tensor, neighbours: int) -> Tensor:
    """Distance [N] from each row to its k-th nearest other; InputError for too few rows."""
    if len(features) <= neighbours:
        raise InputError(
            f"{len(features)} samples have no {neighbours} neighbours each",
            "give more samples, or leave precision, recall, density and coverage out",
        )
    # The nearest of all is the row itself.
    return torch.cat(
        [
            torch.cdist(part, features).kthvalue(neighbours + 1, dim=1).values
            for part in features.split(ROWS)
        ]
    )


def _inside(points: Tensor, centers: Tensor, radii: Tensor) -> Tensor:
    """Whether each point is in the ball of any center."""
    parts = [(torch.cdist(part, centers) <= radii).any(1) for part in points.split(ROWS)]
    return torch.cat(parts)


def _share(hits: Tensor) -> Estimate:
    """A share with the standard error of a share."""
    value = hits.double().mean().item()
    return Estimate(value, math.sqrt(value * (1 - value) / len(hits)))
