"""How near images are to those that they should be, pixel by pixel."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sparring.metrics.record import Comparison, Estimate, Provenance

GREY_LEVELS = Provenance("pixels", "grey levels in [0, 1]", "none")
EXACT = 100.0  # dB of images that agree in every byte, whose ratio would have no end


def l1(comparison: Comparison) -> Estimate:
    """Mean absolute difference of grey levels in [0, 1]."""
    away = _differences(comparison).abs().mean(1)
    return Estimate(away.mean().item(), _error(away), provenance=GREY_LEVELS)


def psnr(comparison: Comparison) -> Estimate:
    """Peak signal-to-noise ratio in dB, -10 log10 of the mean squared difference; mean of images.

    Over all channels and pixels, nothing cut off at the border; at most 100 for each image.
    """
    squared = _differences(comparison).square().mean(1)
    ratios = (-10 * squared.log10()).clamp(max=EXACT)
    return Estimate(ratios.mean().item(), _error(ratios), provenance=GREY_LEVELS)


def _differences(comparison: Comparison) -> Tensor:
    """Of grey levels in [0, 1], [M, values of an image]."""
    assert comparison.wanted is not None
    samples, wanted = (x.double().flatten(1) / 255 for x in
                       (comparison.samples_fake, comparison.wanted))  # fmt: skip
    return samples - wanted


def _error(values: Tensor) -> float:
    """The standard error of the mean of values [M]."""
    return (torch.std(values) / math.sqrt(len(values))).item()
