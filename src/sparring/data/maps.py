"""Images made of images: what a recipe learns to undo or to do, its truth being known."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, conv2d, grid_sample, interpolate, max_pool2d, pad

from sparring.data.resize import LUMA

DARK, LIGHT = (24, 40, 110), (255, 176, 32)  # what black and white become
SHEAR = 0.35  # pixels to the side for each pixel down
STRONG, WEAK = 0.3, 0.12  # slopes of an edge and of what goes on from one, in ranges a pixel
GROWTH = 4  # times that strong edges grow along weak ones


def inverted(images: Tensor) -> Tensor:
    """Negatives of uint8 images."""
    return 255 - images


def recoloured(images: Tensor) -> Tensor:
    """Images in two colours: from dark blue where they are dark to orange where they are bright."""
    dark, light = (torch.tensor(c, dtype=torch.float32).view(1, 3, 1, 1) for c in (DARK, LIGHT))
    return torch.lerp(dark, light, _brightness(images)).round().to(torch.uint8)


def sheared(images: Tensor) -> Tensor:
    """Images slanted about their middle; what comes into view repeats the border."""
    rows = torch.tensor([[1.0, SHEAR, 0.0], [0.0, 1.0, 0.0]]).expand(len(images), 2, 3)
    where = affine_grid(rows, list(images.shape), align_corners=False)
    moved = grid_sample(images.float(), where, padding_mode="border", align_corners=False)
    return moved.round().clamp(0, 255).to(torch.uint8)


def small(images: Tensor, factor: int) -> Tensor:
    """Images at 1 / factor of the size, antialiased (bicubic)."""
    size = [side // factor for side in images.shape[2:]]
    shrunk = interpolate(images.float(), size, mode="bicubic", antialias=True)
    return shrunk.round().clamp(0, 255).to(torch.uint8)


def edges(images: Tensor) -> Tensor:
    """Drawings [N, 1, H, W] of uint8 images: black lines on white where the brightness jumps.

    The steps of Canny (1986): slopes (Sobel), the crests among them, weak ones only where they go
    on from a strong one.
    """
    x = _brightness(images)
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 4
    kernels = torch.stack([across, across.T])[:, None]
    slope = conv2d(pad(x, (1, 1, 1, 1), mode="replicate"), kernels)
    steep = slope.square().sum(1, keepdim=True).sqrt()
    crest = steep * _is_crest(slope, steep)
    found, weak = crest >= STRONG, crest >= WEAK
    for _ in range(GROWTH):
        found = (max_pool2d(found.float(), 3, 1, 1) > 0) & weak
    return torch.where(found, 0, 255).to(torch.uint8)


def _brightness(images: Tensor) -> Tensor:
    """Grey levels [N, 1, H, W] in [0, 1]."""
    x = images.float() / 255
    if x.shape[1] == 1 or torch.equal(images, images[:, :1].expand_as(images)):
        return x[:, :1]  # without the rounding of a weighted mean
    return (x * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _is_crest(slope: Tensor, steep: Tensor) -> Tensor:
    """Whether no neighbour along the slope is steeper; of equal ones the first is the crest."""
    beside = pad(steep, (1, 1, 1, 1))
    height, width = steep.shape[2:]

    def at(down: int, right: int) -> Tensor:
        return beside[..., 1 + down : 1 + down + height, 1 + right : 1 + right + width]

    x, y = slope[:, :1], slope[:, 1:]
    flat, upright = y.abs() < 0.4142 * x.abs(), x.abs() <= 0.4142 * y.abs()  # tan 22.5°
    same = x * y > 0
    ways = ((flat, 0, 1), (upright, 1, 0), (~flat & ~upright & same, 1, 1),
            (~flat & ~upright & ~same, 1, -1))  # fmt: skip
    crest = torch.zeros_like(steep, dtype=torch.bool)
    for chosen, down, right in ways:
        top = (steep >= at(-down, -right)) & (steep > at(down, right))
        crest |= chosen & top
    return crest


UNPAIRED: dict[str, Callable[[Tensor], Tensor]] = {
    "inverted": inverted,
    "recoloured": recoloured,
    "sheared": sheared,
}
