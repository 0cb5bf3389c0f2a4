"""Networks that grow from 4x4 pixels (Karras et al., 2018), at any resolution from 8 to 1024."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from sparring.networks.dcgan import check_shape, doublings
from sparring.networks.discriminator import Discriminator, Head, packed_shape
from sparring.networks.equalized import LEAKY_GAIN, EqualizedConv2d, EqualizedLinear, pixel_norm
from sparring.networks.growing import Growing
from sparring.networks.layers import given
from sparring.networks.minibatch import MinibatchName, minibatch_layer
from sparring.networks.resnet import enlarged, halved
from sparring.recipe import Positive

LARGEST = 1024


def levels(size: int, width: int, widest: int) -> tuple[list[int], list[int]]:
    """Resolutions and channels, lowest first: channels halve as the side doubles, to `width`."""
    base, k = doublings(size)
    return (
        [base * 2**level for level in range(k + 1)],
        [min(widest, width * 2 ** (k - level)) for level in range(k + 1)],
    )


class ProgressiveGenerator(Growing):
    """z [N, latent_size] to images [N, C, H, W] in [-1, 1] by convolutions that join in one by one.

    `width` is the number of channels at full size; each resolution below has twice as many, up to
    `widest` (the paper: 16 at 1024 pixels, 512). Equalized layers, pixel norm after each. The
    paper's images are not bounded; here a tanh does it, after the fade. The label enters by an
    embedding beside z.
    """

    def __init__(
        self,
        latent_size: int,
        shape: tuple[int, ...],
        width: Positive = 16,
        widest: Positive = 512,
        condition: Literal["none", "embedding"] = "none",
        embedding: Positive = 50,
        classes: int = 0,
    ) -> None:
        size = check_shape("progressive", shape, LARGEST)
        resolutions, channels = levels(size, width, widest)
        super().__init__(size, resolutions)
        self.classes = classes
        self.embedding = nn.Embedding(classes, embedding) if condition == "embedding" else None
        inputs = latent_size + (embedding if self.embedding else 0)
        self.first = EqualizedLinear(inputs, channels[0] * resolutions[0] ** 2)
        before = [channels[0], *channels]
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                EqualizedConv2d(before[level] if first else after, after)
                for first in ((True, False) if level else (True,))
            )
            for level, after in enumerate(channels)
        )
        self.to_image = nn.ModuleList(EqualizedConv2d(each, shape[0], 1) for each in channels)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(given(labels))], dim=1)
        side = self.resolutions[0]
        x = self.first(pixel_norm(z)).unflatten(1, (side, side, -1)).permute(0, 3, 1, 2)
        x = below = self._block(0, pixel_norm(leaky_relu(x, 0.2)))
        for level in range(1, self.level + 1):
            below, x = x, self._block(level, enlarged(x))
        image = self.to_image[self.level](x)
        if self.alpha < 1:
            coarse = enlarged(self.to_image[self.level - 1](below))
            image = torch.lerp(coarse, image, self.alpha)
        return self.enlarged(image.tanh())

    def _block(self, level: int, x: Tensor) -> Tensor:
        for convolution in self.blocks[level].children():
            x = pixel_norm(leaky_relu(convolution(x), 0.2))
        return x


class ProgressiveDiscriminator(Growing, Discriminator):
    """Images [N, C, H, W] to logits [N]: the generator's mirror image, without pixel norm.

    What the samples of a batch have in common (`minibatch`) joins the features before the last
    hidden layer. `width` and `widest` are as in the generator.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: Positive = 16,
        widest: Positive = 512,
        condition: Literal["none", "projection", "auxiliary"] = "none",
        classes: int = 0,
        minibatch: MinibatchName = "stddev",
        packing: Positive = 1,
    ) -> None:
        size = check_shape("progressive", shape, LARGEST)
        resolutions, channels = levels(size, width, widest)
        super().__init__(size, resolutions)
        self.classes, self.packing = classes, packing
        planes = packed_shape(shape, packing, classes)[0]
        self.from_image = nn.ModuleList(EqualizedConv2d(planes, each, 1) for each in channels)
        after = [channels[0], *channels]
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                EqualizedConv2d(each, each if first else after[level])
                for first in ((True, False) if level else (True,))
            )
            for level, each in enumerate(channels)
        )
        inputs = channels[0] * resolutions[0] ** 2
        self.minibatch = None if minibatch == "none" else minibatch_layer(minibatch, inputs)
        inputs += self.minibatch.added if self.minibatch else 0
        self.last = EqualizedLinear(inputs, channels[0])
        self.head = Head(channels[0], classes, condition)
        self.head.logit = EqualizedLinear(channels[0], 1)

    def features(self, x: Tensor, labels: Tensor | None) -> Tensor:
        y = self._seen(x, self.level)
        for level in range(self.level, 0, -1):
            y = halved(self._block(level, y))
            if level == self.level and self.alpha < 1:
                y = torch.lerp(self._seen(x, level - 1), y, self.alpha)
        y = self._block(0, y).flatten(1)
        if self.minibatch is not None:
            y = self.minibatch(y)
        return activated(self.last(y))

    def _seen(self, images: Tensor, level: int) -> Tensor:
        """Images of full size as the maps that a level begins with."""
        return activated(self.from_image[level](self.reduced(images, level)))

    def _block(self, level: int, x: Tensor) -> Tensor:
        for convolution in self.blocks[level].children():
            x = activated(convolution(x))
        return x


def activated(x: Tensor) -> Tensor:
    """Leaky ReLU that leaves the mean square of its input, so that depth does not matter."""
    return leaky_relu(x, 0.2) * LEAKY_GAIN
