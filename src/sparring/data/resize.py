"""Images that are one array already, brought to another size or number of channels."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sparring.data.dataset import Dataset
from sparring.errors import InputError

ROWS = 1000  # at a time, so that the floats stay small
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow has it


def bring_to(dataset: Dataset, size: int | None, channels: int | None) -> Dataset:
    """The data set at `size` pixels a side (centre crop, antialiased resize) and in `channels`.

    None leaves it as it is, but square. Raises InputError where its modes are known pictures, or
    are known by their channels.
    """
    have, height, width = dataset.shape
    size, channels = size or min(height, width), channels or have
    if (channels, size, size) == dataset.shape:
        return dataset
    if dataset.modes is not None and not dataset.modes.are_digits:
        raise InputError(
            f"data `{dataset.name}` is {have}x{height}x{width} and has known modes of that size",
            "leave data.size and data.channels out",
        )
    if dataset.modes is not None and channels != have:
        raise InputError(
            f"the modes of data `{dataset.name}` are in its {have} channels",
            "leave data.channels out",
        )
    parts = [_converted(part, size, channels) for part in dataset.values.split(ROWS)]
    note = f"{have}x{height}x{width} brought to {channels}x{size}x{size}"
    notes = (*dataset.notes, note)
    return replace(dataset, values=torch.cat(parts), notes=notes, content="", mapped=None)


def _converted(images: Tensor, size: int, channels: int) -> Tensor:
    """uint8 [n, C, H, W] to uint8 [n, channels, size, size]."""
    height, width = images.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    x = images[..., top : top + side, left : left + side]
    if side != size:
        x = interpolate(x.float(), (size, size), mode="bicubic", antialias=True)
        x = x.round().clamp(0, 255).to(torch.uint8)
    if x.shape[1] == channels:
        return x
    if channels == 3:
        return x.expand(-1, 3, -1, -1).contiguous()
    weights = torch.tensor(LUMA).view(1, 3, 1, 1)
    return (x.float() * weights).sum(1, keepdim=True).round().to(torch.uint8)
