"""What an audit has to know of one image: a few numbers, a hash and a small picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sparring.data.decode import decode_reduced

SMALL = 24  # pixels a side of the pictures that are compared
SIDE = 64  # of those whose sharpness is measured: what a network here would see


@dataclass(frozen=True)
class Look:
    """One image: its size, a hash of its pixels, how it varies, and itself at 24 x 24 in grey.

    `contrast` is the standard deviation of its values, in levels of 255, of the channel that varies
    most. `sharpness` is that of the differences to the four neighbours over that of the values
    themselves, at no more than 64 pixels a side: the share of its contrast that is in the details.
    """

    width: int
    height: int
    pixels: bytes
    contrast: float
    sharpness: float
    grey: bool
    small: np.ndarray


def look_at_file(content: bytes, background: tuple[int, int, int]) -> Look:
    """A file's bytes as they would be decoded; raises Rejected."""
    return look_at(*decode_reduced(content, SIDE, background))


def look_at(array: np.ndarray, size: tuple[int, int] | None = None) -> Look:
    """An image uint8 [C, H, W], whose width and height are `size` where it was reduced."""
    width, height = size or (array.shape[2], array.shape[1])
    grey = bool((array == array[:1]).all())
    array = array[:1] if grey else array
    digest = hashlib.blake2b(repr((width, height, array.shape)).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).data)
    plane = Image.fromarray(array[0] if grey else array.transpose(1, 2, 0)).convert("L")
    small = np.array(plane.resize((SMALL, SMALL), Image.Resampling.BILINEAR))
    short = min(width, height)
    if short > SIDE:
        scaled = (round(width * SIDE / short), round(height * SIDE / short))
        plane = plane.resize(scaled, Image.Resampling.BOX)
    contrast = max(float(channel.std()) for channel in array)
    return Look(width, height, digest.digest(), contrast, _sharpness(plane), grey, small)


def _sharpness(plane: Image.Image) -> float:
    x = np.asarray(plane, dtype=np.float32)
    if min(x.shape) < 3:
        return 1.0  # there are no details to miss
    around = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]
    return float((around / 4 - x[1:-1, 1:-1]).std() / max(float(x.std()), 1e-6))
