"""Perceptual path length: how abruptly a generator's samples change with their latents."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from sparring.errors import InputError
from sparring.games import Prior
from sparring.metrics.lpips import NAME as LPIPS
from sparring.metrics.record import Comparison, Estimate, Provenance, Source

EPSILON = 1e-4
TAIL = 0.01  # of the distances at either end is left out
CHUNK = 8  # LPIPS has half a million features of a small image


def source(generator: nn.Module, prior: Prior) -> Source:
    """A generator and where its inputs come from, for the metrics that look at it."""

    @torch.inference_mode()
    def outputs(z: Tensor, labels: Tensor | None) -> Tensor:
        parameter = next(generator.parameters())
        given = [z.to(parameter.device, parameter.dtype)]
        given += [] if labels is None else [labels.to(parameter.device)]
        return generator(*given).float().cpu()

    return Source(outputs, prior)


def perceptual_path_length(comparison: Comparison) -> Estimate:
    """The mean squared distance of samples a step of 1e-4 apart, over that step squared.

    The step leads from one draw of the prior towards another, on the sphere (slerp) for a normal
    prior, straight for a uniform one; distances beyond either 1% tail are left out (Karras et al.,
    2019; from the start of the path as torch-fidelity has it). As many pairs as there are samples.
    """
    generator, features = comparison.generator, comparison.perceptual or comparison.extractor
    assert generator is not None
    assert features is not None
    if features.of_floats is None:
        raise InputError(
            f"features `{features.name}` read whole grey levels, and `ppl` needs smaller steps",
            "choose features=classifier, pixels or samples, or leave ppl out",
        )
    count = len(comparison.samples_fake)
    prior = generator.prior
    (z, labels), ends = prior.of(range(count)), prior.of(range(count, 2 * count))
    starts = z.double()
    between = slerp if prior.latent.prior == "normal" else torch.lerp
    steps = between(starts, ends.z.double(), EPSILON)
    lengths = path_lengths(generator.outputs, features.of_floats, starts, steps, labels)
    kept = without_tails(lengths)
    flags = []
    if features.name != LPIPS:
        flags.append(f"not LPIPS as published: squared distances of features `{features.name}`")
    return Estimate(
        kept.mean().item(),
        kept.std().item() / math.sqrt(len(kept)) if len(kept) > 1 else None,
        flags,
        provenance=Provenance(features.name, features.layer, features.resize),
    )


@torch.inference_mode()
def path_lengths(
    outputs: Callable[[Tensor, Tensor | None], Tensor],
    features: Callable[[Tensor], Tensor],
    starts: Tensor,
    steps: Tensor,
    labels: Tensor | None = None,
) -> Tensor:
    """The squared distance of features [N] between two latents each [N, size], over EPSILON²."""
    parts = []
    for rows in torch.arange(len(starts)).split(CHUNK):
        # Both ends of a path in one batch: what rounding they share cancels.
        z = torch.cat([starts[rows], steps[rows]])
        same = None if labels is None else labels[rows].repeat(2)
        here, there = features(outputs(z, same)).chunk(2)
        parts.append((there - here).square().sum(1, dtype=torch.float64) / EPSILON**2)
    return torch.cat(parts)


def without_tails(distances: Tensor) -> Tensor:
    """Those between the 1% and the 99% percentile, which is rounded outwards."""
    ordered = distances.sort().values
    last = len(ordered) - 1
    low, high = ordered[math.floor(TAIL * last)], ordered[math.ceil((1 - TAIL) * last)]
    return ordered[(ordered >= low) & (ordered <= high)]


def slerp(starts: Tensor, ends: Tensor, share: float) -> Tensor:
    """A share of the way from starts to ends [N, size] along the arc; straight where parallel."""
    cosine = nn.functional.cosine_similarity(starts, ends, dim=1).clamp(-1, 1)[:, None]
    angle = cosine.acos()
    sine = angle.sin()
    arc = (((1 - share) * angle).sin() * starts + (share * angle).sin() * ends) / sine
    return torch.where(sine > 1e-6, arc, torch.lerp(starts, ends, share))
