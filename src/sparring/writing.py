"""Samples to files: one grid, arrays, or a picture each."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress

from sparring import api
from sparring.errors import InputError
from sparring.report import image_grid, pairs_picture, samples_picture, save_png
from sparring.run import write_bytes
from sparring.streaming import write_archive, write_pictures

MOST_IN_A_GRID = 2500
COLUMNS = 8  # of a picture of mixtures or walks
MOST_BYTES = 16 << 30  # of an archive; more would not be read again


def write_samples(
    run: Path,
    out: Path,
    count: int,
    seed: int = 0,
    label: str | None = None,
    interpolate: bool = False,
    truncation: float | None = None,
) -> dict[str, Any]:
    """Write samples of a run: x.png one grid, x.npz `samples`, else a folder named by seeds."""
    started = time.perf_counter()
    if out.suffix == ".png":
        if count > MOST_IN_A_GRID:
            raise InputError(
                f"a grid of {count} samples is too large", f"at most {MOST_IN_A_GRID}, or an .npz"
            )
        samples = api.sample(
            run, count, seed, label, interpolate=interpolate, truncation=truncation
        )
        columns = COLUMNS if interpolate else None
        save_png(samples_picture(samples, columns=columns), out)
    elif interpolate:
        raise InputError("--interpolate makes one picture", "end --out in .png")
    elif out.suffix == ".npz":
        _check_size(run, count)
        stream = api.stream(run, count, seed, label, truncation=truncation)
        write_archive(shown(stream, count), count, out)
    elif out.suffix:
        raise InputError(f"cannot write samples as `{out.suffix}`", "use .png, .npz or a folder")
    else:
        stream = api.stream(run, count, seed, label, truncation=truncation)
        write_pictures(shown(stream, count), out, seed)
    seconds = round(time.perf_counter() - started, 3)
    return {"path": str(out), "count": count, "seconds": seconds}


def write_style_mix(
    run: Path,
    out: Path,
    count: int,
    seed: int = 0,
    label: str | None = None,
    truncation: float | None = None,
) -> dict[str, Any]:
    """Write a picture of mixtures, 8 a row: rows' coarse styles, columns' fine ones."""
    started = time.perf_counter()
    if out.suffix != ".png":
        raise InputError("--style-mix makes one picture", "end --out in .png")
    rows, columns = -(-count // COLUMNS), min(count, COLUMNS)
    if rows * columns > MOST_IN_A_GRID:
        raise InputError(f"a grid of {count} mixtures is too large", f"at most {MOST_IN_A_GRID}")
    images = api.style_mix(run, rows, columns, seed, label, truncation=truncation)
    save_png(image_grid(images, columns=columns + 1, blank=(0,)), out)
    seconds = round(time.perf_counter() - started, 3)
    return {"path": str(out), "count": rows * columns, "seconds": seconds}


def write_projection(run: Path, image: Path, out: Path) -> dict[str, Any]:
    """Write an image beside its projection as x.png, and the styles as x.npz."""
    if out.suffix != ".png":
        raise InputError("a projection is written as a picture", "end --out in .png")
    found = api.project(run, image)
    picture = pairs_picture(found.image[None], found.target[None])
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {key: np.asarray(value) for key, value in found._asdict().items()}
    np.savez_compressed(buffer, **arrays)
    write_bytes(out.with_suffix(".npz"), buffer.getvalue())
    save_png(picture, out)
    return {"path": str(out), "distance": found.distance}


def shown(
    parts: Iterator[tuple[torch.Tensor, torch.Tensor]], count: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The parts, with a progress bar and the time left on stderr."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("sampling", total=count)
        for part in parts:
            yield part
            bar.advance(task, len(part[0]))


def _check_size(run: Path, count: int) -> None:
    one = api.sample(run, 1)
    size = count * one.nbytes
    if size > MOST_BYTES:
        raise InputError(
            f"{count} samples are {size >> 30} GB, too large for one archive",
            f"at most {MOST_BYTES // one.nbytes}, or several with --seed",
        )
