"""Layers with an equalized learning rate: weights N(0, 1), scaled when they are used."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

LEAKY_GAIN = math.sqrt(2)  # of leaky ReLU 0.2, as StyleGAN2 takes it


class EqualizedLinear(nn.Module):
    """A linear layer [N, inputs] -> [N, outputs] whose weights are scaled by 1 / sqrt(fan in).

    All weights then have the same spread, and Adam moves each by the same share of it; `rate`
    slows the layer down (0.01 in StyleGAN's mapping). `bias` is what the bias starts from.
    Karras et al., 2018.
    """

    def __init__(self, inputs: int, outputs: int, rate: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight * self.scale, self.bias * self.rate)


class EqualizedConv2d(nn.Module):
    """A convolution of odd kernel, equalized as EqualizedLinear is.

    It keeps the size; with a `stride` it takes maps that are padded already.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, bias: bool = True, stride: int = 1
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale, self.stride = 1 / math.sqrt(inputs * kernel**2), stride
        self.padding = kernel // 2 if stride == 1 else 0

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.scale
        return nn.functional.conv2d(x, weight, self.bias, self.stride, self.padding)


class EqualizedEmbedding(nn.Module):
    """Labels [N] to vectors [N, outputs] from N(0, 1), scaled when they are used."""

    def __init__(self, classes: int, outputs: int, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, outputs))
        self.scale = scale

    def forward(self, labels: Tensor) -> Tensor:
        return nn.functional.embedding(labels, self.weight) * self.scale


def pixel_norm(x: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Features [N, C, ...] of mean square 1 at every pixel (Karras et al., 2018)."""
    exact = x if x.dtype == torch.float64 else x.float()
    mean_square = exact.square().mean(dim=1, keepdim=True)
    return x * (mean_square + epsilon).rsqrt().to(x.dtype)
