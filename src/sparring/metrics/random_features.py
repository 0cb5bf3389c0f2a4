"""Features of a fixed random network: what scores images where no network was trained for them.

Random embeddings rank generators sensibly, and owe nothing to other pictures (Naeem et al., 2020).
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from sparring.data import to_network, to_samples
from sparring.metrics.extractor import Extractor
from sparring.randomness import keyed

CPU = torch.device("cpu")
WIDTHS = (16, 32, 64)
BIAS = 0.2  # standard deviation; the weights have He's
MAX_SIDE = 64  # larger images are averaged down to this many pixels a side
NOISE, CONTRAST = 500, 0.6  # images that set the scale of each feature, and their deviation


@cache
def random_features(shape: tuple[int, ...]) -> Extractor:
    """Means and deviations of each channel of three random layers, for images [C, H, W].

    Each is standardized by what 1/f noise, the simplest likeness of a picture, gives: without it
    a kernel would see little but the largest, which are those of brightness.
    """
    channels, height, width = shape
    layers = _layers(channels)
    small = max(height, width) <= MAX_SIDE
    side = min(max(height, width), MAX_SIDE)
    of_noise = _responses(layers, to_network(_pink_noise(channels, side), CPU))
    mean, deviation = of_noise.mean(0), of_noise.std(0).clamp(min=1e-3)
    return Extractor(
        "random",
        f"means and deviations of {len(WIDTHS)} random layers ({2 * sum(WIDTHS)})",
        "none" if small else f"area to {MAX_SIDE}x{MAX_SIDE}",
        lambda samples: (_responses(layers, to_network(samples, CPU)) - mean) / deviation,
        key=f"random {WIDTHS} {shape}",
        of_floats=lambda images: (_responses(layers, images) - mean) / deviation,
    )


def _layers(channels: int) -> list[tuple[Tensor, Tensor]]:
    """Weights and biases of 3x3 convolutions, the same for ever."""
    draw = keyed("random features", channels)
    layers = []
    for width in WIDTHS:
        scale = math.sqrt(2 / (9 * channels))
        weight = torch.randn(width, channels, 3, 3, generator=draw) * scale
        layers.append((weight, torch.randn(width, generator=draw) * BIAS))
        channels = width
    return layers


def _responses(layers: list[tuple[Tensor, Tensor]], x: Tensor) -> Tensor:
    """Features [N, F] of images [N, C, H, W] in [-1, 1]."""
    if max(x.shape[2:]) > MAX_SIDE:
        x = interpolate(x, size=(MAX_SIDE, MAX_SIDE), mode="area")
    found = []
    for weight, bias in layers:
        x = conv2d(x, weight, bias, padding=1).relu()
        found += [x.mean((2, 3)), x.std((2, 3), correction=0)]
        x = avg_pool2d(x, 2, ceil_mode=True)
    return torch.cat(found, dim=1)


def _pink_noise(channels: int, side: int) -> Tensor:
    """Images uint8 [NOISE, C, side, side] whose amplitude falls as 1/f, like that of pictures."""
    draw = keyed("pink noise", channels, side)
    white = torch.randn(NOISE, channels, side, side, generator=draw)
    along = torch.fft.fftfreq(side)
    frequency = (along[:, None].square() + along.square()).sqrt()
    frequency[0, 0] = 1 / side
    pink = torch.fft.ifft2(torch.fft.fft2(white) / frequency).real
    return to_samples(pink / pink.std() * CONTRAST, images=True)
