"""Perceptual path length: how abruptly a generator's samples change with their latents."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from sparring.errors import InputError
from sparring.games import latents_of
from sparring.metrics.lpips import NAME as LPIPS
from sparring.metrics.record import Comparison, Estimate, Provenance, Source
from sparring.recipe import Latent

EPSILON = 1e-4
TAIL = 0.01  # of the distances at either end is left out
CHUNK = 8  # LPIPS has half a million features of a small image


def source(generator: nn.Module, latent: Latent) -> Source:
    """A generator that takes latents alone, for the metrics that look at it."""

    @torch.inference_mode()
    def outputs(z: Tensor) -> Tensor:
        parameter = next(generator.parameters())
        return generator(z.to(parameter.device, parameter.dtype)).float().cpu()

    return Source(outputs, latent)


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
    starts = latents_of(generator.latent, range(count)).double()
    ends = latents_of(generator.latent, range(count, 2 * count)).double()
    between = slerp if generator.latent.prior == "normal" else torch.lerp
    steps = between(starts, ends, EPSILON)
    kept = without_tails(path_lengths(generator.outputs, features.of_floats, starts, steps))
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
    outputs: Callable[[Tensor], Tensor],
    features: Callable[[Tensor], Tensor],
    starts: Tensor,
    steps: Tensor,
) -> Tensor:
    """The squared distance of features [N] between two latents each [N, size], over EPSILON²."""
    parts = []
    for start, step in zip(starts.split(CHUNK), steps.split(CHUNK), strict=True):
        # Both ends of a path in one batch: what rounding they share cancels.
        here, there = features(outputs(torch.cat([start, step]))).chunk(2)
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
