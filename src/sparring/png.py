"""PNG files of small images, quicker than a library that handles all kinds."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

FORMAT = 1  # counted up when the bytes of the same image change: every ETag depends on it
SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES = {1: 0, 3: 2}  # channels: grey, RGB
LEVEL = 1  # of zlib: a digit shrinks to 40% in 4 microseconds more than storing it takes


def png(image: Pixels) -> bytes:
    """A uint8 image [C, H, W] of 1 or 3 channels as a PNG file, whose bytes depend on it alone."""
    channels, height, width = image.shape
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each begins with a filter: none
    rows[:, 1:] = image.transpose(1, 2, 0).reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, COLOR_TYPES[channels], 0, 0, 0)
    return b"".join(
        (
            SIGNATURE,
            _chunk(b"IHDR", head),
            _chunk(b"IDAT", zlib.compress(rows.data, LEVEL)),
            _chunk(b"IEND", b""),
        )
    )


def strip(images: Pixels) -> Pixels:
    """Images [N, C, H, W] side by side as one [C, H, N * W]."""
    count, channels, height, width = images.shape
    return images.transpose(1, 2, 0, 3).reshape(channels, height, count * width)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
