"""Diversity of generated samples: how far apart two of them are on average."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from sparring.metrics.lpips import NAME as LPIPS
from sparring.metrics.record import Comparison, Estimate, Provenance
from sparring.randomness import keyed

PAIRS = 1000  # at most; no sample is in two of them
CHUNK = 8  # pairs at a time: LPIPS has half a million features of a small image


def lpips(comparison: Comparison) -> Estimate:
    """The mean LPIPS (Zhang et al., 2018) of random pairs of generated samples.

    Without its weights: the mean squared distance in the features at hand, of unit length for
    images. Either way the real data's own value is in the flags, to be compared with.
    """
    extractor, dataset = comparison.extractor, comparison.dataset
    assert extractor is not None
    assert dataset is not None
    features = comparison.perceptual or extractor
    unit = dataset.is_images and features.name != LPIPS  # which has scaled its own

    def apart(samples: Tensor, found: Tensor) -> Tensor:
        if comparison.perceptual is None:
            return pair_distances(lambda rows: found[rows], len(found), unit)
        return pair_distances(lambda rows: features(samples[rows]), len(samples), unit)

    if "lpips" not in comparison.kept:
        real = dataset.values if comparison.split == "all" else dataset.split(comparison.split)
        comparison.kept["lpips"] = apart(real, comparison.real).mean().item()
    of_real = comparison.kept["lpips"]
    distances = apart(comparison.samples_fake, comparison.fake)
    value = distances.mean().item()
    share = f" ({value / of_real:.1%} of it)" if of_real else ""
    flags = [f"real data: {of_real:.4g}{share}; {len(distances)} pairs"]
    if features.name != LPIPS:
        flags.append(f"not LPIPS as published: squared distances of features `{features.name}`")
    error = distances.std().item() / math.sqrt(len(distances)) if len(distances) > 1 else None
    layer = f"{features.layer}, unit length" if unit else features.layer
    provenance = Provenance(features.name, layer, features.resize)
    return Estimate(value, error, flags, {"real": of_real}, provenance)


def pair_distances(features: Callable[[Tensor], Tensor], count: int, unit: bool) -> Tensor:
    """The squared distances [P] of disjoint random pairs of `count` samples.

    `features` gives those [n, F] of samples by number; `unit` scales them to unit length.
    """
    pairs = min(count // 2, PAIRS)
    order = torch.randperm(count, generator=keyed("pairs", count))[: 2 * pairs]
    parts = []
    for rows in order.view(2, pairs).split(CHUNK, dim=1):
        found = features(rows.flatten())
        a, b = (normalize(found, dim=1) if unit else found).chunk(2)
        parts.append((a - b).square().sum(1))
    return torch.cat(parts)
