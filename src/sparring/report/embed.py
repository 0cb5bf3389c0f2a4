"""Pictures inside a page: data URIs within a budget of bytes."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sparring.report.evolution import evenly
from sparring.report.pictures import png_bytes

MOST_SNAPSHOTS = 40
SNAPSHOTS_BYTES, PICTURE_BYTES = 1_800_000, 300_000  # all of the slider; one picture above it
SHRINKING = [(1_300, 88), (1_000, 85), (640, 70), (480, 50), (320, 30)]  # widest, WebP quality


@dataclass(frozen=True)
class Snapshot:
    """A picture of samples in the run folder, and the step it was taken at."""

    step: int
    path: Path


@dataclass(frozen=True)
class Embedded:
    """A picture ready for the page: a data URI and its size in pixels."""

    uri: str
    width: int
    height: int
    step: int = 0


def snapshots(folder: Path) -> list[Snapshot]:
    """The snapshots of a run in the order they were taken."""
    shots = [Snapshot(int(p.stem), p) for p in folder.glob("*.png") if p.stem.isdecimal()]
    return sorted(shots, key=lambda shot: shot.step)


def film(shots: list[Snapshot], notes: list[str]) -> list[Embedded]:
    """Evenly chosen snapshots for a slider; unreadable ones are left out and told."""
    shown = evenly(shots, MOST_SNAPSHOTS)
    frames = [_read(shot, SNAPSHOTS_BYTES // len(shown)) for shot in shown]
    if None in frames:
        notes.append(f"snapshots that could not be read and were left out: {frames.count(None)}.")
    return [frame for frame in frames if frame]


def embed(image: Image.Image) -> Embedded:
    """An image as a data URI."""
    return _within(png_bytes(image), PICTURE_BYTES)


def _read(shot: Snapshot, budget: int) -> Embedded | None:
    """A snapshot as a data URI; None if it is no readable picture."""
    try:
        return _within(shot.path.read_bytes(), budget, shot.step)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _within(content: bytes, budget: int, step: int = 0) -> Embedded:
    """A PNG as it is, or as small a WebP as the budget of bytes asks for."""
    kind = "png"
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        width, height = image.size
        for widest, quality in SHRINKING:
            if len(content) <= budget:
                break
            smaller = _webp(image, widest, quality)
            if len(smaller) < len(content):  # noise as a PNG can be hard to beat
                content, kind = smaller, "webp"
    uri = f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
    return Embedded(uri, width, height, step)


def _webp(image: Image.Image, widest: int, quality: int) -> bytes:
    """An image as WebP, at most `widest` pixels wide."""
    smaller = image.convert("RGB")
    smaller.thumbnail((widest, 10 * widest), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    smaller.save(buffer, format="WEBP", quality=quality, method=2)
    return buffer.getvalue()
