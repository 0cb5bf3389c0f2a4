"""Layers of a style generator: modulated convolutions and noise (Karras et al., 2019 and 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu

from sparring.networks.equalized import LEAKY_GAIN, EqualizedLinear, pixel_norm
from sparring.networks.layers import Noisy
from sparring.networks.resample import Filter

TINY = 1e-8  # of a squared norm


class ModulatedConv2d(nn.Module):
    """Maps [N, inputs, H, W] through weights that a style [N, styles] scales for each sample.

    w'_oik = s_i w_oik, and if `demodulate` w''_oik = w'_oik / sqrt(Σ_ik w'_oik² + ε), times `gain`.
    Inputs are scaled before and outputs after one convolution that all samples share: the same
    sums, without weights for each sample. `up` doubles the size: the transposed convolution, then
    the filter.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        styles: int,
        kernel: int = 3,
        up: bool = False,
        demodulate: bool = True,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.style = EqualizedLinear(styles, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.scale, self.padding = 1 / math.sqrt(inputs * kernel**2), kernel // 2
        self.demodulate, self.gain = demodulate, gain
        self.smooth = Filter(padding=1, gain=4.0) if up else None

    def forward(self, x: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """The maps, and what is left to multiply them by [N, outputs, 1, 1]."""
        weight, by_input = self.weight * self.scale, self.style(style)
        x = x * by_input[:, :, None, None].to(x.dtype)
        if self.smooth is None:
            x = conv2d(x, weight, padding=self.padding)
        else:
            x = self.smooth(conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        by_output = x.new_full((1, 1), self.gain)
        if self.demodulate:
            squares = weight.square().sum((2, 3))
            norms = nn.functional.linear(by_input.to(squares.dtype).square(), squares)
            by_output = (norms.to(squares.dtype) + TINY).rsqrt() * self.gain
        return x, by_output[:, :, None, None].to(x.dtype)


class NoiseInput(Noisy):
    """One map of noise [N, 1, H, W] to be added to all channels, with a learned strength.

    Drawn anew in training; at rest always the same, a buffer, so that a latent makes one image.
    """

    constant: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("constant", torch.randn(1, 1, size, size))

    def forward(self, x: Tensor) -> Tensor:
        noise = self.constant
        if self.training:
            shape = torch.Size((x.shape[0], 1, *x.shape[2:]))
            noise = self.normal(shape, x.device)
        # A strength has no dimensions, so that their product would be of the noise's precision.
        return (noise.to(self.strength.dtype) * self.strength).to(x.dtype)


class StyledConv(nn.Module):
    """A modulated convolution, noise, a bias and leaky ReLU: [N, inputs, H, W] to `size` pixels.

    `normalize` ends it with pixel norm.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        styles: int,
        size: int,
        up: bool = False,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        self.normalize = normalize
        # What leaky ReLU is multiplied by may as well be multiplied into what goes into it.
        self.convolution = ModulatedConv2d(inputs, outputs, styles, up=up, gain=LEAKY_GAIN)
        self.noise = NoiseInput(size)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x, factor = self.convolution(x, style)
        x = torch.addcmul(LEAKY_GAIN * self.noise(x), x, factor)
        bias = (LEAKY_GAIN * self.bias).to(x.dtype)
        x = leaky_relu(x + bias[:, None, None], 0.2, inplace=True)
        return pixel_norm(x) if self.normalize else x


class ToImage(nn.Module):
    """Maps [N, inputs, H, W] to what they add to the image [N, C, H, W], in fp32."""

    def __init__(self, inputs: int, channels: int, styles: int) -> None:
        super().__init__()
        self.convolution = ModulatedConv2d(inputs, channels, styles, kernel=1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        image, _ = self.convolution(x, style)
        return image.to(self.bias.dtype) + self.bias[:, None, None]
