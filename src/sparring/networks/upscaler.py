"""The generator that enlarges images (SRResNet of Ledig et al., 2017)."""

from __future__ import annotations

from torch import Tensor, nn

from sparring.errors import InputError
from sparring.networks.layers import (
    InitName,
    PictureNormalization,
    initialize,
    normalization_2d,
    padded,
)
from sparring.recipe import Positive


class Upscaler(nn.Module):
    """Images [N, C, H, W] to images [N, C, k H, k W], k a power of two.

    A 9x9 layer, `blocks` residual blocks of `width` channels at the small size, and for each
    doubling a convolution whose channels become pixels (Shi et al., 2016). Published with 16
    blocks, width 64 and batch normalization; without it the network is quicker, and no worse (Lim
    et al., 2017). Nothing bounds the output, as published: a tanh has no slope left where the first
    steps make most of an image black.
    """

    translates = True

    def __init__(
        self,
        given: tuple[int, ...],
        shape: tuple[int, ...],
        width: Positive = 64,
        blocks: Positive = 16,
        normalization: PictureNormalization = "none",
        init: InitName = "default",
    ) -> None:
        super().__init__()
        factor = shape[-1] // given[-1]
        exact = len(given) == 3 and [factor * side for side in given[1:]] == list(shape[1:])
        if not exact or factor < 2 or factor & (factor - 1):
            raise InputError(
                f"upscaler doubles the size of images, once or more: not {given} to {shape}",
                "set data.inputs=small, or name another generator.name",
            )
        self.scale, self.reach = factor, 4 + 2 * blocks + 1 + 4
        self.first = nn.Sequential(nn.Conv2d(given[0], width, 9, padding=4), nn.PReLU(width))
        self.blocks = nn.Sequential(*(_Block(width, normalization) for _ in range(blocks)))
        self.after = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), *normalization_2d(normalization, width)
        )
        layers: list[nn.Module] = []
        for _ in range(factor.bit_length() - 1):
            layers += [nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2)]
            layers.append(nn.PReLU(width))
        self.up = nn.Sequential(*layers, nn.Conv2d(width, shape[0], 9, padding=4))
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        height, width = (self.scale * side for side in x.shape[2:])
        # Of a single pixel no statistics can be taken.
        x = self.first(padded(x, 2) if max(x.shape[2:]) == 1 else x)
        return self.up(x + self.after(self.blocks(x)))[..., :height, :width]


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, width: int, normalization: PictureNormalization) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            *normalization_2d(normalization, width),
            nn.PReLU(width),
            nn.Conv2d(width, width, 3, padding=1),
            *normalization_2d(normalization, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)
