"""Diversity of generated samples: how far apart two of them are on average."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from sparring.metrics.features import Extractor
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
    features, dataset = comparison.distances, comparison.dataset
    assert features is not None
    assert dataset is not None
    if "lpips" not in comparison.kept:
        real = dataset.values if comparison.split == "all" else dataset.split(comparison.split)
        comparison.kept["lpips"] = pair_distances(features, real).mean().item()
    of_real = comparison.kept["lpips"]
    found = pair_distances(features, comparison.samples_fake)
    value = found.mean().item()
    share = f" ({value / of_real:.1%} of it)" if of_real else ""
    flags = [f"real data: {of_real:.4g}{share}; {len(found)} pairs"]
    layer = features.layer
    if features.name != LPIPS:
        flags.append(f"not LPIPS as published: squared distances of features `{features.name}`")
        layer += ", unit length" if dataset.is_images else ""
    error = found.std().item() / math.sqrt(len(found)) if len(found) > 1 else None
    provenance = Provenance(features.name, layer, features.resize)
    return Estimate(value, error, flags, {"real": of_real}, provenance)


def pair_distances(features: Extractor, samples: Tensor) -> Tensor:
    """The squared distances [P] of disjoint random pairs of samples [N, ...]."""
    pairs = min(len(samples) // 2, PAIRS)
    order = torch.randperm(len(samples), generator=keyed("pairs", len(samples)))[: 2 * pairs]
    parts = []
    for chosen in order.view(2, pairs).split(CHUNK, dim=1):
        found = features(samples[chosen.flatten()])
        if features.name != LPIPS and samples.dtype == torch.uint8:
            found = normalize(found, dim=1)
        a, b = found.chunk(2)
        parts.append((a - b).square().sum(1))
    return torch.cat(parts)
