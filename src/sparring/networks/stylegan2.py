"""The networks of StyleGAN2 (Karras et al., 2020) at any resolution from 8 to 1024."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from sparring import ranks
from sparring.networks.dcgan import check_shape, cropped, doublings
from sparring.networks.discriminator import Discriminator, Head
from sparring.networks.equalized import (
    LEAKY_GAIN,
    EqualizedConv2d,
    EqualizedEmbedding,
    EqualizedLinear,
    pixel_norm,
)
from sparring.networks.layers import Noisy, given
from sparring.networks.minibatch import MinibatchStddev
from sparring.networks.modulated import StyledConv, ToImage
from sparring.networks.resample import Doubled, Filter, Halved
from sparring.networks.styles import Made
from sparring.recipe import Positive

LARGEST = 1024
SMALLEST = 7  # the discriminator halves maps until they have at most this many pixels a side
MAPPING_RATE = 0.01  # of the mapping network, as a share of the others'
MEAN_DECAY = 0.998  # of the mean style, each batch

ImageName = Literal["sum", "last"]
NormName = Literal["none", "pixel"]
Share = Annotated[float, Field(ge=0, le=1)]


class Mapping(nn.Module):
    """z [N, latent_size] to w [N, size]: pixel norm, then `depth` slow layers.

    A label enters by an embedding beside z, of the same norm. Runs in fp32.
    """

    def __init__(self, latent_size: int, size: int, depth: int, classes: int) -> None:
        super().__init__()
        self.embedding = EqualizedEmbedding(classes, size) if classes else None
        inputs = latent_size + (size if classes else 0)
        sizes = [inputs, *(size for _ in range(depth))]
        self.layers = nn.ModuleList(
            EqualizedLinear(before, after, MAPPING_RATE) for before, after in pairwise(sizes)
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        with in_full(z):
            return self.mapped(z, labels)

    def mapped(self, z: Tensor, labels: Tensor | None) -> Tensor:
        x = pixel_norm(z)
        if self.embedding is not None:
            x = torch.cat([x, pixel_norm(self.embedding(given(labels)))], dim=1)
        for layer in self.layers:
            x = leaky_relu(layer(x), 0.2) * LEAKY_GAIN
        return x


def in_full(like: Tensor) -> AbstractContextManager[None]:
    """Without autocast, where it is on: what half precision would coarsen for all layers after."""
    kind = like.device.type
    # Tensors that only have a shape know no autocast.
    on = not like.is_meta and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if on else nullcontext()


class StyleMixing(Noisy):
    """In training, for a share of the samples, further styles from some layer on.

    So that neighbouring layers learn not to count on each other (Karras et al., 2019).
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def first(self, count: int, layers: int, device: torch.device) -> Tensor:
        """Which layers [N, layers, 1] keep the first style: all, or those before a drawn one."""
        mixed, place = self.uniform(torch.Size((count, 2)), device).unbind(1)
        from_layer = 1 + (place * (layers - 1)).floor()
        from_layer = torch.where(mixed < self.probability, from_layer, float(layers))
        return (torch.arange(layers, device=device) < from_layer[:, None])[..., None]


class Synthesis(nn.Module):
    """Styles [N, layers, size] to images [N, C, S, S]: a skip generator from a learned constant.

    Each resolution has a convolution that doubles and one more, and adds its image to the one
    before, doubled. The image of a resolution has the style of the next one's first convolution.
    With `image` "last" only the largest maps make one. `norm` is what each convolution ends with.
    """

    def __init__(
        self,
        styles: int,
        shape: tuple[int, ...],
        width: int,
        growth: int,
        image: ImageName = "sum",
        norm: NormName = "none",
    ) -> None:
        super().__init__()
        self.size = shape[-1]
        base, k = doublings(self.size)
        channels = [width * min(growth, 2**step) for step in range(k, -1, -1)]
        self.constant = nn.Parameter(torch.randn(1, channels[0], base, base))
        convolution = partial(StyledConv, styles=styles, normalize=norm == "pixel")
        self.convolutions = nn.ModuleList([convolution(channels[0], channels[0], size=base)])
        for step, (before, after) in enumerate(pairwise(channels), 1):
            size = base * 2**step
            self.convolutions.append(convolution(before, after, size=size, up=True))
            self.convolutions.append(convolution(after, after, size=size))
        self.first_image = 0 if image == "sum" else k
        self.to_image = nn.ModuleList(
            ToImage(each, shape[0], styles) for each in channels[self.first_image :]
        )
        self.enlarge = Doubled()
        self.layers = len(self.convolutions) + 1

    def forward(self, styles: Tensor) -> Tensor:
        of_layer = styles.unbind(1)
        x = self.constant.expand(styles.shape[0], -1, -1, -1)
        image: Tensor | None = None
        for place, convolution in enumerate(self.convolutions):
            x = convolution(x, of_layer[place])
            step = place // 2 - self.first_image
            if place % 2 == 0 and step >= 0:
                part = self.to_image[step](x, of_layer[place + 1])
                image = part if image is None else self._doubled(image) + part
        assert image is not None
        return cropped(image, self.size)

    def _doubled(self, image: Tensor) -> Tensor:
        with in_full(image):
            doubled: Tensor = self.enlarge(image)
        return doubled


class StyleGAN2Generator(nn.Module):
    """z [N, latent_size] to images [N, C, S, S], which no function bounds to [-1, 1].

    `width` is the number of channels of the largest maps; each resolution before has twice as
    many, up to `growth` times (published: 32 and 16 at 1024 pixels, 64 and 8 at 256). `styles` is
    the size of w, `depth` the layers of the mapping (512 and 8; 2 for small sets of classes).
    `mixing` is the share of samples in training with two styles. Noise is drawn anew in training
    and constant at rest; so is the mean style followed in training, for truncation. `image` "last"
    and `norm` "pixel", which are not published, make short runs of thin networks learn.
    """

    mean_style: Tensor

    def __init__(
        self,
        latent_size: int,
        shape: tuple[int, ...],
        width: Positive = 64,
        growth: Positive = 8,
        styles: Positive = 512,
        depth: Positive = 8,
        mixing: Share = 0.9,
        image: ImageName = "sum",
        norm: NormName = "none",
        condition: Literal["none", "embedding"] = "none",
        classes: int = 0,
    ) -> None:
        super().__init__()
        check_shape("stylegan2", shape, LARGEST)
        self.classes = classes
        self.mapping = Mapping(latent_size, styles, depth, classes)
        self.mixing = StyleMixing(mixing)
        self.synthesis = Synthesis(styles, shape, width, growth, image, norm)
        self.layers = self.synthesis.layers
        self.register_buffer("mean_style", torch.zeros(styles))

    def forward(
        self, z: Tensor, labels: Tensor | None = None, whole: bool = False
    ) -> Tensor | Made:
        """Images, or with `whole` their styles too."""
        w = self.mapping(z, labels)
        styles = w[:, None].expand(-1, self.layers, -1)
        if self.training:
            self.mean_style.lerp_(ranks.mean(w.detach().mean(0)), 1 - MEAN_DECAY)
            styles = self._mixed(styles, z, labels)
        images = self.synthesis(styles)
        return Made(images, styles) if whole else images

    def _mixed(self, styles: Tensor, z: Tensor, labels: Tensor | None) -> Tensor:
        if self.mixing.probability == 0:
            return styles
        kept = self.mixing.first(len(z), self.layers, z.device)
        # Normal also for another prior: only their direction counts, and it is any.
        further = self.mixing.normal(z.shape, z.device).to(z.dtype)
        return torch.where(kept, styles, self.mapping(further, labels)[:, None])


class ResidualHalving(nn.Module):
    """Two 3x3 convolutions beside a filtered shortcut: [N, before, H, W] to half the size."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.convolution = EqualizedConv2d(before, before)
        self.smooth = Filter(padding=2)
        self.halving = EqualizedConv2d(before, after, stride=2)
        self.halve = Halved()
        self.shortcut = EqualizedConv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.halving(self.smooth(activated(self.convolution(x))))
        # (√2 leaky ReLU + shortcut) / √2, so that the sum has the variance of its parts.
        return leaky_relu(y, 0.2) + self.shortcut(self.halve(x)) / math.sqrt(2)


class StyleGAN2Discriminator(Discriminator):
    """Images [N, C, S, S] to logits [N] by residual blocks that halve, to 7 pixels or fewer.

    `width` is the number of channels at full size; each block doubles them, up to `growth` times.
    A map that tells how much the batch varies (`minibatch`) joins the smallest ones.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: Positive = 64,
        growth: Positive = 8,
        condition: Literal["none", "projection"] = "none",
        minibatch: Literal["none", "stddev"] = "stddev",
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.classes = classes
        size, channels = check_shape("stylegan2", shape, LARGEST), width
        self.first = EqualizedConv2d(shape[0], width, 1)
        blocks = []
        while size > SMALLEST:
            size, before = size // 2, channels
            channels = min(2 * channels, growth * width)
            blocks.append(ResidualHalving(before, channels))
        self.blocks = nn.Sequential(*blocks)
        self.minibatch = MinibatchStddev() if minibatch == "stddev" else None
        self.last = EqualizedConv2d(channels + (1 if self.minibatch else 0), channels)
        self.linear = EqualizedLinear(channels * size**2, channels)
        self.head = Head(channels, classes, condition)
        self.head.logit = EqualizedLinear(channels, 1)
        if condition == "projection":
            self.head.embedding = EqualizedEmbedding(classes, channels, 1 / math.sqrt(channels))

    def features(self, x: Tensor, labels: Tensor | None) -> Tensor:
        x = self.blocks(activated(self.first(x)))
        if self.minibatch is not None:
            spread = self.minibatch(x.flatten(1))[:, -1].to(x.dtype)
            x = torch.cat([x, spread[:, None, None, None].expand(-1, 1, *x.shape[2:])], dim=1)
        x = activated(self.last(x))
        return activated(self.linear(x.flatten(1)))


def activated(x: Tensor) -> Tensor:
    """Leaky ReLU that leaves the mean square of its input."""
    return leaky_relu(x, 0.2) * LEAKY_GAIN
