"""How many of the known modes a generator covers, and how many of its samples are good."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.data import Dataset
from sparring.metrics.record import Comparison, Estimate


def nearest_modes(samples: Tensor, dataset: Dataset) -> tuple[Tensor, Tensor]:
    """For each sample the index of the nearest mode, and whether it is near enough to be good."""
    assert dataset.modes is not None
    flat, centers = samples.float().flatten(1), dataset.modes.centers.float().flatten(1)
    if dataset.is_images:
        distances = torch.cdist(flat, centers, p=1) / flat.shape[1]
    else:
        distances = torch.cdist(flat, centers)
    nearest, index = distances.min(1)
    return index, nearest <= dataset.modes.radius


def modes(comparison: Comparison) -> Estimate:
    """The number of modes with a good sample; the share of good samples is in the flags."""
    dataset = comparison.dataset
    assert dataset is not None
    assert dataset.modes is not None
    index, good = nearest_modes(comparison.samples_fake, dataset)
    covered = len(index[good].unique())
    total = len(dataset.modes.centers)
    share = good.float().mean().item()
    return Estimate(covered, flags=[f"{covered} of {total} modes, {share:.1%} of samples near one"])
