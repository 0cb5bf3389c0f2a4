"""Layers that let a discriminator compare the samples of a batch, so that sameness shows."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

MinibatchName = Literal["none", "stddev", "discrimination"]
GROUPS = (4, 3, 2)  # samples in a group of `stddev`: the first that divides the batch, else all
KERNELS, KERNEL_SIZE = 16, 8  # of `discrimination`
TINY = 1e-8  # of a variance: the root of 0 has no slope


class MinibatchStddev(nn.Module):
    """Features [N, F] to [N, F + 1]: beside them the mean standard deviation in the sample's group.

    Karras et al., 2018, on the features before the last layer.
    """

    couples_batch = True
    added = 1

    def forward(self, features: Tensor) -> Tensor:
        count = len(features)
        size = next((size for size in GROUPS if count % size == 0), count)
        groups = features.float().view(size, count // size, -1)
        # Not var(), which over the first dimension is thirty times slower on a CPU.
        variance = (groups - groups.mean(0)).square().mean(0)
        spread = (variance + TINY).sqrt().mean(1)
        return torch.cat([features, spread.repeat(size)[:, None].to(features.dtype)], dim=1)


class Distances(torch.autograd.Function):
    """L1 distances [K, N, N] between the points [K, N, F] of each kernel.

    torch.cdist is many times quicker than the differences written out, but its gradient has none,
    and penalties differentiate twice: there, and only there, they are written out.
    """

    @staticmethod
    def forward(ctx: Any, points: Tensor) -> Tensor:
        ctx.save_for_backward(points)
        return torch.cdist(points, points, p=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (points,) = ctx.saved_tensors
        both = gradients[0] + gradients[0].mT  # a distance is of either point
        if torch.is_grad_enabled():
            signs = (points[:, :, None] - points[:, None]).sign()
            return (both[..., None] * signs).sum(2)
        with torch.enable_grad():
            moved = points.detach().requires_grad_()
            apart = torch.cdist(moved, points.detach(), p=1)
        (slope,) = torch.autograd.grad(apart, moved, both)
        return slope


class MinibatchDiscrimination(nn.Module):
    """Features [N, F] to [N, F + 16]: beside them how near the others are, by learned kernels.

    Each kernel maps the features to 8 numbers and sums exp(-L1 distance) over the other samples of
    the batch (Salimans et al., 2016).
    """

    couples_batch = True
    added = KERNELS

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.kernels = nn.Linear(inputs, KERNELS * KERNEL_SIZE, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        mapped = self.kernels(features).float().view(-1, KERNELS, KERNEL_SIZE)
        distances: Tensor = Distances.apply(mapped.transpose(0, 1))
        near = (-distances).exp().sum(2).T - 1  # without the sample itself
        return torch.cat([features, near.to(features.dtype)], dim=1)


def minibatch_layer(name: MinibatchName, inputs: int) -> MinibatchStddev | MinibatchDiscrimination:
    """The layer of that name for features [N, inputs]."""
    return MinibatchStddev() if name == "stddev" else MinibatchDiscrimination(inputs)
