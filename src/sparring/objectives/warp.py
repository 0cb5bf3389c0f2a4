"""Sampling images along a grid, differentiable as often as one likes by the images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

BILINEAR, REFLECTION = 0, 2  # as the operator numbers them


def warp(images: Tensor, grid: Tensor) -> Tensor:
    """Images [N, C, H, W] sampled bilinearly at grid [N, H', W', 2] in [-1, 1], mirrored beyond.

    PyTorch's own gradient of this has no gradient in turn, which penalties on the discriminator
    need. Sampling is linear in the images, so that each derivative is it or its transpose.
    """
    warped: Tensor = _Warp.apply(images, grid)
    return warped


class _Warp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = images.shape
        return grid_sample(images, grid, padding_mode="reflection", align_corners=False)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Transposed.apply(gradient, *ctx.saved_tensors, ctx.shape), None


class _Transposed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        images = gradient.new_zeros(shape)  # its values have no part in this gradient
        of_images, _ = torch.ops.aten.grid_sampler_2d_backward(
            gradient, images, grid, BILINEAR, REFLECTION, False, [True, False]
        )
        return of_images

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Warp.apply(gradient, *ctx.saved_tensors), None, None
