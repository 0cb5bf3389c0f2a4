"""Convolutional networks after DCGAN (Radford et al., 2016) at any resolution from 8 to 256."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from sparring.errors import InputError
from sparring.networks.attention import Attended
from sparring.networks.discriminator import (
    Discriminator,
    Head,
    normalize_spectrum,
    packed_shape,
)
from sparring.networks.layers import (
    ACTIVATIONS,
    ActivationName,
    ConditionalBatchNorm2d,
    InitName,
    NormalizationName,
    given,
    initialize,
    normalization_2d,
)
from sparring.networks.minibatch import MinibatchName
from sparring.recipe import Positive

MAX_FACTOR = 8  # the widest layer has this many times `width` channels


def check_shape(name: str, shape: tuple[int, ...], largest: int = 256) -> int:
    """The size of square images; InputError for samples that network `name` cannot make."""
    size = shape[-1]
    if len(shape) != 3 or shape[1] != size or size % 4 or not 8 <= size <= largest:
        raise InputError(
            f"{name} makes square images of 8 to {largest} pixels in steps of 4, "
            f"not samples of {shape}",
            "set data.size, or use generator.name=mlp discriminator.name=mlp",
        )
    return size


def doublings(size: int) -> tuple[int, int]:
    """(base, k): the generator starts at base x base pixels and doubles k times.

    An exact base of 4 to 15 is taken where there is one (28 = 7·4, 64 = 4·16); other sizes, like
    100, are made a little larger (112 = 7·16) and cropped.
    """
    for k in range(8, 0, -1):
        if size % 2**k == 0 and 4 <= size // 2**k <= 15:
            return size // 2**k, k
    k = int(math.log2(size / 4))
    return math.ceil(size / 2**k), k


def cropped(x: Tensor, size: int) -> Tensor:
    """The middle [N, C, size, size] of images that are a little larger."""
    first = (x.shape[-1] - size) // 2
    return x[..., first : first + size, first : first + size] if x.shape[-1] > size else x


class DCGANGenerator(nn.Module):
    """z [N, latent_size] to images [N, C, H, W] in [-1, 1] by transposed convolutions.

    `width` is the number of channels of the last hidden layer; each layer before has twice as
    many, up to eight times. At 64 pixels and width 64 this is the network of the paper. With
    `output=convolution` one more layer doubles the size and a 3x3 convolution makes the image:
    smoother strokes for the same width. The label enters by an embedding beside z, or by gain and
    bias of the normalization (`condition=normalization`; Dumoulin et al., 2017).
    """

    def __init__(
        self,
        latent_size: int,
        shape: tuple[int, ...],
        width: Positive = 64,
        activation: ActivationName = "relu",
        normalization: NormalizationName = "batch",
        init: InitName = "normal",
        output: Literal["transposed", "convolution"] = "transposed",
        condition: Literal["none", "embedding", "normalization"] = "none",
        embedding: Positive = 50,
        attention: list[Positive] = [],  # noqa: B006 - read only
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.size, self.classes = check_shape("dcgan", shape), classes
        self.base, k = doublings(self.size)
        hidden = k if output == "transposed" else k + 1
        channels = [width * min(MAX_FACTOR, 2**step) for step in range(hidden - 1, -1, -1)]
        bias = normalization == "none"
        self.embedding = nn.Embedding(classes, embedding) if condition == "embedding" else None
        inputs = latent_size + (embedding if self.embedding else 0)
        in_norm = classes if condition == "normalization" else 0
        self.first = nn.Linear(inputs, channels[0] * self.base**2, bias=bias)
        attended = Attended("generator", attention)
        layers = [*normalization_2d(normalization, channels[0], in_norm), ACTIVATIONS[activation]()]
        layers += attended.at(self.base, channels[0])
        for step, (before, after) in enumerate(pairwise(channels), 1):
            layers += [
                nn.ConvTranspose2d(before, after, 4, 2, 1, bias=bias),
                *normalization_2d(normalization, after, in_norm),
                ACTIVATIONS[activation](),
                *attended.at(self.base * 2**step, after),
            ]
        attended.check()
        if output == "transposed":
            layers.append(nn.ConvTranspose2d(channels[-1], shape[0], 4, 2, 1, bias=bias))
        else:
            layers.append(nn.Conv2d(channels[-1], shape[0], 3, padding=1))
        self.layers = nn.Sequential(*layers, nn.Tanh())
        initialize(self, init)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(given(labels))], dim=1)
        # Viewed with the channels last, the linear layer's output needs no copy to be so in memory.
        x = self.first(z).unflatten(1, (self.base, self.base, -1)).permute(0, 3, 1, 2)
        for layer in self.layers:
            in_norm = isinstance(layer, ConditionalBatchNorm2d)
            x = layer(x, given(labels)) if in_norm else layer(x)
        return cropped(x, self.size)


class DCGANDiscriminator(Discriminator):
    """Images [N, C, H, W] to logits [N] by strided convolutions down to 4x4 pixels or less.

    `width` is the number of channels of the first layer; each further one has twice as many, up
    to eight times. Normalization follows all but the first and the last layer. With
    `stem=unshuffle` the first layer sees each 2x2 block of pixels as channels, which on a CPU is
    twice as quick as a strided convolution of one to three channels.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: Positive = 64,
        activation: ActivationName = "leaky_relu",
        normalization: NormalizationName = "batch",
        init: InitName = "normal",
        stem: Literal["convolution", "unshuffle"] = "convolution",
        condition: Literal["none", "projection", "auxiliary"] = "none",
        attention: list[Positive] = [],  # noqa: B006 - read only
        classes: int = 0,
        minibatch: MinibatchName = "none",
        packing: Positive = 1,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        self.classes, self.packing = classes, packing
        size = check_shape("dcgan", shape)
        bias = normalization == "none"
        attended = Attended("discriminator", attention)
        layers: list[nn.Module] = []
        before, after = packed_shape(shape, packing, classes)[0], width
        while size > 4:
            if layers:
                layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=bias))
                layers += normalization_2d(normalization, after)
            elif stem == "unshuffle":
                layers += [nn.PixelUnshuffle(2), nn.Conv2d(4 * before, after, 3, padding=1)]
            else:
                layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=bias))
            layers.append(ACTIVATIONS[activation]())
            size //= 2
            layers += attended.at(size, after)
            before, after = after, min(2 * after, MAX_FACTOR * width)
        attended.check()
        self.layers = nn.Sequential(*layers)
        self.head = Head(before * size**2, classes, condition, bias, minibatch)
        initialize(self, init)
        if spectral_norm:
            normalize_spectrum(self)

    def features(self, x: Tensor, labels: Tensor | None) -> Tensor:
        return self.layers(x).flatten(1)
