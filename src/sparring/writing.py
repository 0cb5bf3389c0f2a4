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
from sparring.report import image_grid, samples_picture, save_png
from sparring.run import cannot_write, write_bytes

MOST_IN_A_GRID = 2500
MOST_BYTES = 16 << 30  # of an archive; more would not be read again


def write_samples(
    run: Path,
    out: Path,
    count: int,
    seed: int = 0,
    label: str | None = None,
    interpolate: bool = False,
) -> dict[str, Any]:
    """Write samples of a run: x.png one grid, x.npz `samples`, else a folder named by seeds."""
    started = time.perf_counter()
    if out.suffix == ".png":
        if count > MOST_IN_A_GRID:
            raise InputError(
                f"a grid of {count} samples is too large", f"at most {MOST_IN_A_GRID}, or an .npz"
            )
        samples = api.sample(run, count, seed, label, interpolate=interpolate)
        columns = 8 if interpolate else None
        save_png(samples_picture(samples, columns=columns), out)
    elif interpolate:
        raise InputError("--interpolate makes one picture", "end --out in .png")
    elif out.suffix == ".npz":
        _check_size(run, count)
        parts = zip(*shown(api.stream(run, count, seed, label), count), strict=True)
        arrays = [torch.cat(part).numpy() for part in parts]
        buffer = io.BytesIO()
        np.savez_compressed(buffer, samples=arrays[0], labels=arrays[1])
        write_bytes(out, buffer.getvalue())
    elif out.suffix:
        raise InputError(f"cannot write samples as `{out.suffix}`", "use .png, .npz or a folder")
    else:
        _write_folder(run, out, count, seed, label)
    seconds = round(time.perf_counter() - started, 3)
    return {"path": str(out), "count": count, "seconds": seconds}


def shown(
    parts: Iterator[tuple[torch.Tensor, torch.Tensor]], count: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The parts, with a progress bar and the time left on stderr."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
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


def _write_folder(run: Path, out: Path, count: int, seed: int, label: str | None) -> None:
    for part, _ in shown(api.stream(run, count, seed, label), count):
        if part.dtype != torch.uint8:
            raise InputError("this generator makes vectors, not pictures", "end --out in .npz")
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(out, error) from None
        for sample in part:
            save_png(image_grid(sample[None], columns=1, scale=1, gap=0), out / f"{seed}.png")
            seed += 1
