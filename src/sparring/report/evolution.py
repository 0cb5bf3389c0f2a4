"""Snapshots in motion: the same latents from the first step to the last, as a GIF."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from PIL import Image

from sparring.run import write_bytes

T = TypeVar("T")


def evenly(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items, evenly spaced, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    if count <= 1:
        return list(items[-1:])
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def write_gif(
    frames: list[Path],
    path: Path,
    milliseconds: int = 160,
    hold: int = 1500,
    max_frames: int = 60,
    max_width: int = 640,
) -> Path | None:
    """Turn PNG snapshots, in order, into a looping GIF; None when not one of them can be read.

    milliseconds: how long a frame is shown; hold: the last one. max_width: in pixels.
    """
    images = [image for frame in evenly(frames, max_frames) if (image := _read(frame)) is not None]
    if not images:
        return None
    width, height = images[-1].size
    if width > max_width:
        width, height = max_width, max(1, round(height * max_width / width))
    images = [_paletted(image, (width, height)) for image in images]
    durations = [milliseconds] * (len(images) - 1) + [hold]
    buffer = io.BytesIO()
    rest = images[1:]
    images[0].save(
        buffer, "GIF", save_all=True, append_images=rest, duration=durations, loop=0, optimize=False
    )
    write_bytes(Path(path), buffer.getvalue())
    return Path(path)


def _read(path: Path) -> Image.Image | None:
    """An image in memory, or None if the file is missing, truncated or no picture."""
    try:
        with Image.open(path) as image:
            return image.convert("L" if image.mode in ("L", "1") else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _paletted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Bring a frame to the common size, and to 64 greys or 256 colours."""
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    if image.mode == "L":  # 64 greys look like 256 and take half the bytes
        return image.point([round(round(grey * 63 / 255) * 255 / 63) for grey in range(256)])
    # Dithering would make still areas shimmer from frame to frame.
    return image.quantize(256, dither=Image.Dither.NONE)
