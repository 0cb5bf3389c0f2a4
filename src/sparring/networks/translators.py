"""Generators from images to images of the same size, which may be any: it is padded and cropped.

The residual one of Zhu et al., 2017, and the U-Net of Isola et al., 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparring.errors import InputError
from sparring.networks.layers import (
    Dropout,
    InitName,
    PictureNormalization,
    initialize,
    normalization_2d,
    padded,
)
from sparring.recipe import Positive

MAX_FACTOR = 8
DROPPED = 3  # layers of the U-Net's way up, from the bottom, that have dropout


def check_shapes(name: str, given: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """InputError unless images become images of the same size."""
    if len(given) != 3 or len(shape) != 3 or given[1:] != shape[1:]:
        raise InputError(
            f"{name} makes images of images of the same size, not {shape} of {given}",
            "name other networks with generator.name, or another data.inputs",
        )


class ResidualTranslator(nn.Module):
    """Images [N, C, H, W] to images [N, C', H, W] in [-1, 1]: down, residual blocks, up.

    As published: a 7x7 layer of `width` channels, `halvings` layers that halve the size and double
    the channels, `blocks` residual blocks there, and the same way back; padding mirrors. Published
    with 6 blocks for 128 pixels, 9 for 256.
    """

    translates = True

    def __init__(
        self,
        given: tuple[int, ...],
        shape: tuple[int, ...],
        width: Positive = 64,
        blocks: Positive = 9,
        halvings: Positive = 2,
        normalization: PictureNormalization = "instance",
        init: InitName = "normal",
    ) -> None:
        super().__init__()
        check_shapes("translator", given, shape)
        self.multiple = 2**halvings
        # How far away a pixel of the input can be and still matter, but for statistics.
        self.reach = 3 + self.multiple * (2 * blocks + 2) + 3

        def then(channels: int) -> list[nn.Module]:
            return [*normalization_2d(normalization, channels), nn.ReLU(inplace=True)]

        layers: list[nn.Module] = [_mirrored(given[0], width, 7), *then(width)]
        channels = width
        for _ in range(halvings):
            layers += [nn.Conv2d(channels, 2 * channels, 3, 2, 1), *then(2 * channels)]
            channels *= 2
        layers += [_Block(channels, normalization) for _ in range(blocks)]
        for _ in range(halvings):
            layers.append(nn.ConvTranspose2d(channels, channels // 2, 3, 2, 1, output_padding=1))
            channels //= 2
            layers += then(channels)
        self.layers = nn.Sequential(*layers, _mirrored(width, shape[0], 7), nn.Tanh())
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        # Two pixels at the smallest size, so that they can be mirrored, and four at the first.
        least = max(2 * self.multiple, 4)
        x = padded(x, self.multiple if min(height, width) >= least else least)
        return self.layers(x)[..., :height, :width]


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, channels: int, normalization: PictureNormalization) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _mirrored(channels, channels, 3),
            *normalization_2d(normalization, channels),
            nn.ReLU(inplace=True),
            _mirrored(channels, channels, 3),
            *normalization_2d(normalization, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _mirrored(before: int, after: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel, padding=kernel // 2, padding_mode="reflect")


class UNetGenerator(nn.Module):
    """Images [N, C, H, W] to images [N, C', H, W] in [-1, 1]: down and up, each level joined.

    The size is halved `depth` times; None: until 4 pixels or fewer are left. `width` channels at
    first, twice as many at each level, up to eight times. Dropout in the deepest levels is the
    noise of training; there is none when images are made.
    """

    translates = True

    def __init__(
        self,
        given: tuple[int, ...],
        shape: tuple[int, ...],
        width: Positive = 64,
        depth: Positive | None = None,
        dropout: float = 0.5,
        normalization: PictureNormalization = "instance",
        init: InitName = "normal",
    ) -> None:
        super().__init__()
        check_shapes("unet", given, shape)
        depth = depth or max(1, (max(shape[1:]) - 1).bit_length() - 2)
        self.multiple = 2**depth
        self.reach = 3 * self.multiple
        widths = [width * min(MAX_FACTOR, 2**level) for level in range(depth)]
        down, up = [], []
        for level, after in enumerate(widths):
            before = widths[level - 1] if level else given[0]
            # The innermost level can be a single pixel, of which no statistics can be taken.
            plain = level in (0, depth - 1)
            layers: list[nn.Module] = [nn.LeakyReLU(0.2)] if level else []
            layers.append(nn.Conv2d(before, after, 4, 2, 1))
            down.append(
                nn.Sequential(*layers, *([] if plain else normalization_2d(normalization, after)))
            )
        for level in reversed(range(depth)):
            before = widths[level] * (1 if level == depth - 1 else 2)
            after = widths[level - 1] if level else shape[0]
            layers = [nn.ReLU(), nn.ConvTranspose2d(before, after, 4, 2, 1)]
            if level:
                layers += normalization_2d(normalization, after)
                if depth - level <= DROPPED:
                    layers.append(Dropout(dropout))
            up.append(nn.Sequential(*layers))
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        x = padded(x, self.multiple)
        levels = []
        for layer in self.down:
            x = layer(x)
            levels.append(x)
        x = levels.pop()
        for layer in self.up[:-1]:
            x = torch.cat([layer(x), levels.pop()], dim=1)
        return self.up[-1](x).tanh()[..., :height, :width]
