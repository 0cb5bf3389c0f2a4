"""Manifolds of nearest neighbours: precision and recall, density and coverage."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from sparring.errors import InputError
from sparring.metrics.record import Comparison, Estimate, once

PR_NEIGHBOURS = 3  # Kynkäänniemi et al., 2019, as torch-fidelity has it
DC_NEIGHBOURS = 5  # Naeem et al., 2020, as its authors' prdc has it
ROWS = 200  # of distances at a time: a part is small enough for memory to be used again


def precision(comparison: Comparison) -> Estimate:
    """The share of generated samples within a real one's ball of 3 neighbours."""
    return _share(_inside_each_other(comparison)[0])


def recall(comparison: Comparison) -> Estimate:
    """The share of real samples within a generated one's ball of 3 neighbours."""
    return _share(_inside_each_other(comparison)[1])


def density(comparison: Comparison) -> Estimate:
    """In how many real balls of 5 neighbours a generated sample lies, divided by 5."""
    counts = _real_balls(comparison)[0] / DC_NEIGHBOURS
    return Estimate(counts.mean().item(), counts.std().item() / math.sqrt(len(counts)))


def coverage(comparison: Comparison) -> Estimate:
    """The share of real samples whose ball of 5 neighbours holds a generated one."""
    return _share(_real_balls(comparison)[1])


def ball_radii(features: Tensor, neighbours: int) -> Tensor:
    """Distance [N] from each row to its k-th nearest other; InputError for too few rows."""
    if len(features) <= neighbours:
        raise InputError(
            f"{len(features)} samples have no {neighbours} neighbours each",
            "give more samples, or leave precision, recall, density and coverage out",
        )
    # The nearest of all is the row itself. topk finds so few of so many much sooner than kthvalue.
    return torch.cat(
        [
            torch.cdist(part, features).topk(neighbours + 1, largest=False).values[:, -1]
            for part in features.split(ROWS)
        ]
    )


def _real_radii(comparison: Comparison, neighbours: int) -> Tensor:
    """Those of the real samples, worked out once for a Scorer."""
    work = partial(ball_radii, comparison.real, neighbours)
    return once(comparison.kept, f"radii of {neighbours}", work)


def _inside_each_other(comparison: Comparison) -> tuple[Tensor, Tensor]:
    """Whether each generated sample is in any real ball of 3, each real one in any generated."""

    def work() -> tuple[Tensor, Tensor]:
        real, fake = comparison.real, comparison.fake
        of_real = _real_radii(comparison, PR_NEIGHBOURS)
        of_fake = ball_radii(fake, PR_NEIGHBOURS)
        fakes_in, real_in = [], torch.zeros(len(real), dtype=torch.bool)
        for part, radii in zip(fake.split(ROWS), of_fake.split(ROWS), strict=True):
            distances = torch.cdist(part, real)
            fakes_in.append((distances <= of_real).any(1))
            real_in |= (distances <= radii[:, None]).any(0)
        return torch.cat(fakes_in), real_in

    return once(comparison.found, "inside each other", work)


def _real_balls(comparison: Comparison) -> tuple[Tensor, Tensor]:
    """In how many real balls of 5 each generated sample is, and whether each of these holds any."""

    def work() -> tuple[Tensor, Tensor]:
        radii = _real_radii(comparison, DC_NEIGHBOURS)
        counts, held = [], torch.zeros(len(radii), dtype=torch.bool)
        for part in comparison.fake.split(ROWS):
            inside = torch.cdist(part, comparison.real) < radii
            counts.append(inside.double().sum(1))
            held |= inside.any(0)
        return torch.cat(counts), held

    return once(comparison.found, "real balls", work)


def _share(hits: Tensor) -> Estimate:
    """A share with the standard error of a share."""
    value = hits.double().mean().item()
    return Estimate(value, math.sqrt(value * (1 - value) / len(hits)))
