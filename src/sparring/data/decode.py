"""One image file to one square of uint8, and what was decided on the way."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from PIL import Image, ImageOps

# Only formats that Pillow decodes itself: others would start programs or open further files.
FORMATS = ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "MPO", "ICO", "AVIF"]
MAX_PIXELS = 100_000_000  # of one image; more is a mistake or an attack
ORIENTATION = 0x0112  # the EXIF tag that says how a camera was held

# What can be decided about an image, in the words of the summary.
LEFT_OUT = {
    "empty": "empty",
    "unreadable": "cannot be read as an image",
    "too-large": f"over {MAX_PIXELS // 10**6} megapixels",
    "unknown-range": "of values whose range is not known (32-bit or floating point)",
    "no-pair": "taller than wide, so no two pictures side by side",
}
CONVERTED = {
    "animated": "of several frames: the first is taken",
    "transparent": "partly transparent: shown on the background",
    "16-bit": "of 16 bits: rounded to 8",
    "cmyk": "CMYK: converted to RGB",
    "palette": "with a palette: converted to RGB",
    "rotated": "turned upright as their EXIF says",
    "cropped": "not square: the centre is cut out",
    "enlarged": "smaller than wanted: enlarged",
}


T = TypeVar("T")
Half = Literal["left", "right"]


class Rejected(Exception):
    """An image that is left out; its code is one of LEFT_OUT."""


@dataclass(frozen=True)
class Plan:
    """What every image becomes: `size` pixels a side; one channel or three.

    Of files that hold two pictures side by side, one `half` is taken.
    """

    size: int
    channels: int
    background: tuple[int, int, int]
    half: Half | None = None


def left_out(code: str) -> str:
    """Why an image is left out, in words."""
    words = LEFT_OUT[code]
    return "it is empty" if code == "empty" else words if code == "unreadable" else f"it is {words}"


def decode(content: bytes, plan: Plan) -> tuple[np.ndarray, set[str]]:
    """A file's bytes as uint8 [channels, size, size], and the codes of what was decided.

    Raises Rejected with a code of LEFT_OUT.
    """
    return _judged(content, lambda image: _square(image, plan))


def decode_whole(content: bytes, channels: int, background: tuple[int, int, int]) -> np.ndarray:
    """A file's bytes as uint8 [channels, H, W] at its own size; raises Rejected likewise."""

    def whole(image: Image.Image) -> np.ndarray:
        return _planes(_plain(_upright(image, set()), background, set()), channels)

    return _judged(content, whole)


def decode_reduced(
    content: bytes, side: int, background: tuple[int, int, int]
) -> tuple[np.ndarray, tuple[int, int]]:
    """A file's bytes as uint8 [1 or 3, H, W], and its own width and height; raises Rejected.

    A JPEG may come smaller, by a power of two, but never below twice `side`.
    """

    def reduced(image: Image.Image) -> tuple[np.ndarray, tuple[int, int]]:
        decided: set[str] = set()
        width, height = image.size
        if image.format == "JPEG":
            image.draft(None, (2 * side, 2 * side))
        image = _plain(_upright(image, decided), background, decided)
        if (width < height) != (image.width < image.height):
            width, height = height, width
        return _planes(image, 1 if image.mode == "L" else 3), (width, height)

    return _judged(content, reduced)


def _judged(content: bytes, read: Callable[[Image.Image], T]) -> T:
    """What `read` makes of an image; Rejected for one that is none, or too large."""
    if not content:
        raise Rejected("empty")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise Rejected("too-large")
        return read(image)
    except Image.DecompressionBombError:
        raise Rejected("too-large") from None
    except Rejected:
        raise
    except Exception:  # decoders raise whatever a damaged file leads them to
        raise Rejected("unreadable") from None


@contextmanager
def quiet() -> Iterator[None]:
    """Without Pillow's warnings about metadata, and about sizes that are checked here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def measure(content: bytes) -> tuple[int, int] | None:
    """Width and height from the header alone, None where there is none."""
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS).size
    except Exception:  # as above; the file is judged when it is decoded
        return None


def _square(image: Image.Image, plan: Plan) -> tuple[np.ndarray, set[str]]:
    decided: set[str] = set()
    if getattr(image, "is_animated", False):
        decided.add("animated")
    if image.format == "JPEG":
        # The decoder shrinks by powers of two for little cost; twice the size is left for us.
        image.draft(None, ((4 if plan.half else 2) * plan.size, 2 * plan.size))
    image = _upright(image, decided)
    if plan.half:
        image = _half(image, plan.half)
    image = _plain(image, plan.background, decided)
    if image.width != image.height:
        decided.add("cropped")
    if min(image.size) < plan.size:
        decided.add("enlarged")
    if image.size != (plan.size, plan.size):
        image = _centre(image, plan.size)
    return _planes(image, plan.channels), decided


def _upright(image: Image.Image, decided: set[str]) -> Image.Image:
    """As the camera was held."""
    # Parsing costs as much as decoding a small image, and most have none.
    if ("exif" in image.info or image.format in ("TIFF", "MPO")) and (
        image.getexif().get(ORIENTATION, 1) not in (0, 1)
    ):
        decided.add("rotated")
        return ImageOps.exif_transpose(image)
    return image


def _half(image: Image.Image, which: Half) -> Image.Image:
    """One of two pictures side by side."""
    if image.width < image.height:
        raise Rejected("no-pair")
    middle = max(image.width // 2, 1)
    left = 0 if which == "left" else image.width - middle
    return image.crop((left, 0, left + middle, image.height))


def _planes(image: Image.Image, channels: int) -> np.ndarray:
    """Grey or colour as uint8 [channels, H, W]."""
    if channels == 1:
        return np.asarray(image.convert("L"))[None]
    array = np.asarray(image)
    if image.mode == "L":
        return np.broadcast_to(array, (3, *array.shape))
    return array.transpose(2, 0, 1)


def _plain(image: Image.Image, background: tuple[int, int, int], decided: set[str]) -> Image.Image:
    """The image as `L` or `RGB`: 16 bits rounded, transparency composited, the rest converted."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        decided.add("16-bit")
        values = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise Rejected("unknown-range")
    if image.mode == "CMYK":
        decided.add("cmyk")
    if image.mode in ("P", "PA"):
        decided.add("palette")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            decided.add("transparent")
        canvas = Image.new("RGBA", image.size, (*background, 255))
        return Image.alpha_composite(canvas, image).convert("RGB")
    if image.mode in ("1", "L"):
        return image.convert("L")
    return image if image.mode == "RGB" else image.convert("RGB")


def _centre(image: Image.Image, size: int) -> Image.Image:
    """The central square, resized with antialiasing."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
