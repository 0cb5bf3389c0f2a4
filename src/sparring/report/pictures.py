"""Samples as pictures: a grid of images, pairs of images, or the plot of vectors."""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageColor

from sparring.report import look
from sparring.report.judge import Judge
from sparring.report.plane import Limits
from sparring.report.vectors import vector_picture
from sparring.run import write_bytes

Pixels = npt.NDArray[np.uint8]

GROUND = 40  # the dark grey between the images of a grid
WIDEST_ROWS, SPACE = 1200, 14  # pixels of rows beside each other, and between two
SMALLEST_CELL, SMALLEST_GRID = 40, 460  # pixels; 8 x 8 digits of 28 get twice their size


def save_png(image: Image.Image, path: Path) -> None:
    """Write a PNG so that a reader sees the old file or the new one, never half of it."""
    write_bytes(Path(path), png_bytes(image))


def png_bytes(image: Image.Image) -> bytes:
    """An image as PNG; of plots in colour, the smallest file would take too long to find."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=image.mode == "L")
    return buffer.getvalue()


def image_grid(
    samples: torch.Tensor,
    columns: int | None = None,
    scale: int | None = None,
    gap: int = 2,
    blank: Collection[int] = (),
) -> Image.Image:
    """Lay images out row by row on dark grey.

    samples: uint8 [N, C, H, W], C = 1 (gives a grey picture) or 3. scale: integer enlargement;
    None enlarges small images until they can be seen. gap: pixels between and around them. blank:
    places that stay empty.
    """
    _check(samples)
    count, channels, height, width = samples.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    scale = scale or _scale(height, width, columns, gap)
    tiles = _tiles(samples, scale)
    down, across = height * scale + gap, width * scale + gap
    canvas = np.full((gap + rows * down, gap + columns * across, channels), GROUND, np.uint8)
    for i, tile in enumerate(tiles):
        if i in blank:
            continue
        row, column = divmod(i, columns)
        top, left = gap + row * down, gap + column * across
        canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return Image.fromarray(canvas[..., 0] if channels == 1 else canvas)


def pairs_picture(
    samples: torch.Tensor, partners: torch.Tensor, columns: int = 6, frame: int = 3
) -> Image.Image:
    """Each sample in the colour of the generated, beside its partner in that of the real, on grey.

    samples, partners: uint8 [N, C, H, W]. columns: pairs in a row. frame: pixels around an image.
    """
    _check(samples)
    _check(partners)
    if samples.shape != partners.shape:
        raise ValueError(f"{list(samples.shape)} and {list(partners.shape)} are no pairs")
    count, _, height, width = samples.shape
    columns = min(columns, count)
    scale = _scale(height, width, 2 * columns, 2 * frame)
    tall, wide = height * scale + 2 * frame, width * scale + 2 * frame
    gap = max(4, wide // 6)
    rows = math.ceil(count / columns)
    size = (columns * (2 * wide + gap) - gap, rows * (tall + gap) - gap)
    picture = Image.new("RGB", size, (GROUND,) * 3)
    sides = ((0, look.FAKE, _tiles(samples, scale)), (wide, look.REAL, _tiles(partners, scale)))
    for shift, color, tiles in sides:
        for i, tile in enumerate(tiles):
            row, column = divmod(i, columns)
            left, top = column * (2 * wide + gap) + shift, row * (tall + gap)
            picture.paste(ImageColor.getrgb(color), (left, top, left + wide, top + tall))
            inner = Image.fromarray(np.broadcast_to(tile, (*tile.shape[:2], 3)).copy())
            picture.paste(inner, (left + frame, top + frame))
    return picture


def rows_picture(columns: Sequence[torch.Tensor], gap: int = 2) -> Image.Image:
    """Images that belong to each other side by side, as many such rows beside each other as fit.

    columns: uint8 [N, C, H, W] each; the smaller are enlarged to the largest, pixel by pixel, and
    all are in colour if one is.
    """
    height = max(column.shape[2] for column in columns)
    channels = max(column.shape[1] for column in columns)
    tiles = []
    for column in columns:
        times = height // column.shape[2]
        larger = column.repeat_interleave(times, 2).repeat_interleave(times, 3)
        tiles.append(larger.expand(-1, channels, -1, -1))
    rows, count = torch.stack(tiles, dim=1), len(columns[0])
    scale = math.ceil(SMALLEST_CELL / height)
    across = max(1, min(round(math.sqrt(count)), WIDEST_ROWS // (len(columns) * height * scale)))
    grids = [
        np.asarray(image_grid(part.flatten(0, 1), len(columns), scale, gap).convert("RGB"))
        for part in rows.tensor_split(across)
        if len(part)
    ]
    tall, between = max(grid.shape[0] for grid in grids), (GROUND,) * 3
    size = (sum(grid.shape[1] + SPACE for grid in grids) - SPACE, tall)
    picture, left = Image.new("RGB", size, between), 0
    for grid in grids:
        picture.paste(Image.fromarray(grid), (left, 0))
        left += grid.shape[1] + SPACE
    return picture


def samples_picture(
    fake: torch.Tensor,
    real: torch.Tensor | None = None,
    title: str = "",
    limits: Limits | None = None,
    columns: int | None = None,
    judge: Judge | None = None,
) -> Image.Image:
    """Picture samples of either kind: uint8 [N, C, H, W] as a grid, float [N, D] as a plot."""
    if fake.ndim == 4:
        return image_grid(fake, columns=columns)
    return vector_picture(fake[:0] if real is None else real, fake, title, limits, judge)


def _check(samples: torch.Tensor) -> None:
    shape = tuple(samples.shape)
    if samples.dtype != torch.uint8 or len(shape) != 4 or shape[0] < 1 or shape[1] not in (1, 3):
        raise ValueError(
            "a grid needs uint8 images [N, C, H, W] with N > 0 and C = 1 or 3,"
            f" not {samples.dtype} {list(shape)}"
        )


def _scale(height: int, width: int, columns: int, gap: int) -> int:
    """The enlargement at which small images can be seen."""
    across = math.ceil((SMALLEST_GRID - gap * (columns + 1)) / (columns * width))
    return max(1, math.ceil(SMALLEST_CELL / min(height, width)), across)


def _tiles(samples: torch.Tensor, scale: int) -> Pixels:
    """Images [N, C, H, W] as pixels [N, H, W, C], enlarged."""
    tiles: Pixels = samples.detach().cpu().permute(0, 2, 3, 1).numpy()
    enlarged: Pixels = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
    return enlarged
