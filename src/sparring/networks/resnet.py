"""Residual networks of SNGAN and WGAN-GP at any resolution from 8 to 256.

The blocks of Gulrajani et al., 2017 with the changes of Miyato et al., 2018: a first block that
looks at the image itself, and features that are sums over all pixels.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from sparring.networks.attention import Attended
from sparring.networks.dcgan import check_shape, cropped, doublings
from sparring.networks.discriminator import (
    Discriminator,
    Head,
    normalize_spectrum,
    packed_shape,
)
from sparring.networks.layers import (
    ConditionalBatchNorm2d,
    InitName,
    NormalizationName,
    given,
    initialize,
    normalization_2d,
)
from sparring.networks.minibatch import MinibatchName
from sparring.recipe import Positive

Resampling = Literal["up", "down", "none"]
SMALLEST = 8  # the discriminator halves maps until they have at most this many pixels a side


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: [N, before, H, W] to [N, after, H', W'].

    `up` doubles by nearest neighbours, `down` halves by averages; odd sizes are rounded up. The
    `first` block of a discriminator sees an image, which is not cut off at 0.
    """

    def __init__(
        self,
        before: int,
        after: int,
        resampling: Resampling = "none",
        normalization: NormalizationName = "none",
        classes: int = 0,
        first: bool = False,
    ) -> None:
        super().__init__()
        self.resampling, self.first = resampling, first
        hidden = after if first or resampling == "up" else before
        self.norms = nn.ModuleList(
            nn.Sequential(*normalization_2d(normalization, channels, classes))
            for channels in (before, hidden)
        )
        self.convolutions = nn.ModuleList(
            [nn.Conv2d(before, hidden, 3, padding=1), nn.Conv2d(hidden, after, 3, padding=1)]
        )
        learned = before != after or resampling != "none"
        self.shortcut = nn.Conv2d(before, after, 1) if learned else nn.Identity()

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        y = x if self.first else relu(normalized(self.norms[0], x, labels))
        y = self.convolutions[0](enlarged(y) if self.resampling == "up" else y)
        y = self.convolutions[1](relu(normalized(self.norms[1], y, labels)))
        # A 1x1 convolution commutes with both ways of resampling: it goes where maps are small.
        if self.resampling == "up":
            return y + enlarged(self.shortcut(x))
        if self.resampling == "down":
            return halved(y) + self.shortcut(halved(x))
        return y + self.shortcut(x)


def normalized(layers: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    """Maps through a normalization, which is told the labels where it has classes."""
    for layer in layers.children():
        in_norm = isinstance(layer, ConditionalBatchNorm2d)
        x = layer(x, given(labels)) if in_norm else layer(x)
    return x


def enlarged(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2.0, mode="nearest")


def halved(x: Tensor) -> Tensor:
    return avg_pool2d(x, 2, ceil_mode=True)


class ResNetGenerator(nn.Module):
    """z [N, latent_size] to images [N, C, H, W] in [-1, 1] by residual blocks that double.

    `width` is the number of channels of the last block. With `growth` 1 all blocks are as wide,
    as published for 32 pixels (width 256); else each block before is twice as wide, up to `growth`
    times (48 pixels: 64 and 8; 128 pixels: 64 and 16). The label enters by an embedding beside z,
    or by gain and bias of the normalization (`condition=normalization`; Dumoulin et al., 2017).
    """

    def __init__(
        self,
        latent_size: int,
        shape: tuple[int, ...],
        width: Positive = 64,
        growth: Positive = 1,
        normalization: NormalizationName = "batch",
        init: InitName = "xavier",
        condition: Literal["none", "embedding", "normalization"] = "none",
        embedding: Positive = 50,
        attention: list[Positive] = [],  # noqa: B006 - read only
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.size, self.classes = check_shape("resnet", shape), classes
        self.base, k = doublings(self.size)
        channels = [width * min(growth, 2**step) for step in range(k, -1, -1)]
        self.embedding = nn.Embedding(classes, embedding) if condition == "embedding" else None
        inputs = latent_size + (embedding if self.embedding else 0)
        in_norm = classes if condition == "normalization" else 0
        attended = Attended("generator", attention)
        self.first = nn.Linear(inputs, channels[0] * self.base**2)
        blocks: list[nn.Module] = []
        for step in range(k):
            before, after = channels[step], channels[step + 1]
            blocks.append(ResidualBlock(before, after, "up", normalization, in_norm))
            blocks += attended.at(self.base * 2 ** (step + 1), after)
        attended.check()
        self.blocks = nn.ModuleList(blocks)
        # Of the last normalization also the published one has one gain and bias for all classes.
        self.norm = nn.Sequential(*normalization_2d(normalization, width))
        self.last = nn.Conv2d(width, shape[0], 3, padding=1)
        initialize(self, init)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(given(labels))], dim=1)
        x = self.first(z).unflatten(1, (self.base, self.base, -1)).permute(0, 3, 1, 2)
        for block in self.blocks:
            x = block(x, labels) if isinstance(block, ResidualBlock) else block(x)
        return cropped(self.last(relu(self.norm(x))).tanh(), self.size)


class ResNetDiscriminator(Discriminator):
    """Images [N, C, H, W] to logits [N] by residual blocks and a sum over all pixels.

    Blocks halve the maps until they have at most 8 pixels a side, two more keep their size: at 32
    pixels and width 128 this is the published network. `width` is the number of channels of the
    first block; each further one has twice as many, up to `growth` times.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: Positive = 64,
        growth: Positive = 1,
        normalization: NormalizationName = "none",
        init: InitName = "xavier",
        condition: Literal["none", "projection", "auxiliary"] = "none",
        attention: list[Positive] = [],  # noqa: B006 - read only
        classes: int = 0,
        minibatch: MinibatchName = "none",
        packing: Positive = 1,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        self.classes, self.packing = classes, packing
        size = check_shape("resnet", shape)
        attended = Attended("discriminator", attention)
        blocks: list[nn.Module] = []
        before, after, plain = packed_shape(shape, packing, classes)[0], width, 0
        while plain < 2:
            halves = size > SMALLEST or not blocks
            size = -(-size // 2) if halves else size
            plain += not halves
            resampling: Resampling = "down" if halves else "none"
            first = not blocks
            norm = "none" if first else normalization
            blocks.append(ResidualBlock(before, after, resampling, norm, first=first))
            blocks += attended.at(size, after)
            before, after = after, min(2 * after, growth * width)
        attended.check()
        self.blocks = nn.Sequential(*blocks)
        self.head = Head(before, classes, condition, minibatch=minibatch)
        initialize(self, init)
        if spectral_norm:
            normalize_spectrum(self)

    def features(self, x: Tensor, labels: Tensor | None) -> Tensor:
        return relu(self.blocks(x)).sum((2, 3))
