"""Residual networks without normalization (R3GAN, Huang et al., 2024), from 8 to 256 pixels."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

from sparring.errors import InputError
from sparring.networks.dcgan import check_shape, cropped, doublings
from sparring.networks.discriminator import Discriminator, Head, packed_shape
from sparring.networks.layers import given
from sparring.networks.minibatch import MinibatchName
from sparring.recipe import Positive

EXPANSION = 2  # a block works on so many times the channels that it changes
SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # of leaky ReLU: mean squares stay as they are (He et al.)
BRANCHED = 3  # convolutions of a block


@torch.no_grad()
def drawn(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> nn.Module:
    """The layer with weights N(0, gain² / fan in), its bias 0."""
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Bottleneck(nn.Module):
    """Maps plus what 1x1, grouped 3x3 and 1x1 convolutions make of them: all [N, channels, H, W].

    The last one starts from 0, so that a network begins as its transitions alone; the others are
    drawn smaller the more blocks it has (`depth`), so that it can be deep without normalization
    (Fixup, Zhang et al., 2019).
    """

    def __init__(self, channels: int, group_size: int, depth: int) -> None:
        super().__init__()
        inner = EXPANSION * channels
        if inner % min(group_size, inner):
            raise InputError(
                f"r3gan: {inner} channels inside a block are no multiple of groups of {group_size}",
                f"choose a width that is a multiple of {group_size // EXPANSION}, or a group_size "
                "that divides twice the width",
            )
        gain = GAIN * depth ** (-1 / (2 * BRANCHED - 2))
        groups = inner // min(group_size, inner)
        self.expand = drawn(nn.Conv2d(channels, inner, 1), gain)
        self.mix = drawn(nn.Conv2d(inner, inner, 3, padding=1, groups=groups), gain)
        self.reduce = drawn(nn.Conv2d(inner, channels, 1, bias=False), 0.0)

    def forward(self, x: Tensor) -> Tensor:
        y = leaky_relu(self.mix(leaky_relu(self.expand(x), SLOPE)), SLOPE)
        return x + self.reduce(y)


def changed(before: int, after: int) -> list[nn.Module]:
    """A 1x1 convolution to another number of channels, as a list of none or one."""
    return [] if before == after else [drawn(nn.Conv2d(before, after, 1, bias=False))]


class Doubled(nn.Module):
    """Maps at twice the size by bilinear interpolation."""

    def forward(self, x: Tensor) -> Tensor:
        return interpolate(x, scale_factor=2.0, mode="bilinear")


class Halved(nn.Module):
    """Maps at half the size, rounded up; bilinear interpolation there is a mean of 2x2 pixels."""

    def forward(self, x: Tensor) -> Tensor:
        return avg_pool2d(x, 2, ceil_mode=True)


class R3GANGenerator(nn.Module):
    """z [N, latent_size] to images [N, C, H, W] in [-1, 1] by residual blocks that double.

    It starts from learned maps of 4x4 pixels or a little more, each times a linear function of z.
    `width` is the number of channels at full size; each resolution below has twice as many, up to
    `growth` times, and `blocks` blocks (published for 32 pixels: width 768, growth 1, 2 blocks,
    groups of 16). The label enters by an embedding beside z. The published images are not bounded;
    here a tanh does it.
    """

    def __init__(
        self,
        latent_size: int,
        shape: tuple[int, ...],
        width: Positive = 64,
        growth: Positive = 1,
        blocks: Positive = 2,
        group_size: Positive = 16,
        condition: Literal["none", "embedding"] = "none",
        embedding: Positive = 50,
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.size, self.classes = check_shape("r3gan", shape), classes
        base, k = doublings(self.size)
        channels = [width * min(growth, 2**step) for step in range(k, -1, -1)]
        self.embedding = nn.Embedding(classes, embedding) if condition == "embedding" else None
        inputs = latent_size + (embedding if self.embedding else 0)
        self.basis = nn.Parameter(torch.randn(channels[0], base, base))
        self.first = drawn(nn.Linear(inputs, channels[0], bias=False))
        layers: list[nn.Module] = []
        for step, after in enumerate(channels):
            if step:
                layers += [*changed(channels[step - 1], after), Doubled()]
            layers += [Bottleneck(after, group_size, blocks * (k + 1)) for _ in range(blocks)]
        self.layers = nn.Sequential(*layers)
        self.last = drawn(nn.Conv2d(width, shape[0], 1, bias=False))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(given(labels))], dim=1)
        x = self.basis * self.first(z)[..., None, None]
        x = x.contiguous(memory_format=torch.channels_last)
        return cropped(self.last(self.layers(x)).tanh(), self.size)


class R3GANDiscriminator(Discriminator):
    """Images [N, C, H, W] to logits [N]: the generator's mirror image.

    At 4x4 pixels, or a little more, each map is weighed by one of its own and summed. Options are
    those of the generator.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: Positive = 64,
        growth: Positive = 1,
        blocks: Positive = 2,
        group_size: Positive = 16,
        condition: Literal["none", "projection", "auxiliary"] = "none",
        classes: int = 0,
        minibatch: MinibatchName = "none",
        packing: Positive = 1,
    ) -> None:
        super().__init__()
        self.classes, self.packing = classes, packing
        base, k = doublings(check_shape("r3gan", shape))
        channels = [width * min(growth, 2**step) for step in range(k + 1)]
        planes = packed_shape(shape, packing, classes)[0]
        layers: list[nn.Module] = [drawn(nn.Conv2d(planes, width, 1, bias=False))]
        for step, here in enumerate(channels):
            if step:
                layers += [Halved(), *changed(channels[step - 1], here)]
            layers += [Bottleneck(here, group_size, blocks * (k + 1)) for _ in range(blocks)]
        weighed = nn.Conv2d(channels[-1], channels[-1], base, groups=channels[-1], bias=False)
        self.layers = nn.Sequential(*layers, drawn(weighed))
        self.head = Head(channels[-1], classes, condition, bias=False, minibatch=minibatch)
        drawn(self.head.logit)  # type: ignore[arg-type]

    def features(self, x: Tensor, labels: Tensor | None) -> Tensor:
        return self.layers(x).flatten(1)
