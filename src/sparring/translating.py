"""The user's own images through a generator from images to images, file by file."""

from __future__ import annotations

import time
import zipfile
import zlib
from collections import Counter
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from sparring import api
from sparring.data import (
    Rejected,
    Source,
    colour_of,
    decode_whole,
    find_images,
    left_out,
    quiet,
    read_file,
)
from sparring.errors import InputError
from sparring.model import Model
from sparring.report import image_grid, save_png
from sparring.starting import tell

WHOLE = 1000  # steps of the bar for an image


def write_translations(run: Path, given: Path, out: Path) -> dict[str, Any]:
    """Translate all images below a folder, in a zip, or one file, into PNG files of their names.

    What cannot be read is told and passed over; InputError if that is everything.
    """
    started = time.perf_counter()
    model = api.read(run)
    if model.input_shape is None:
        raise InputError(
            f"generator `{model.name}` makes images of latents, not of images",
            "leave --input out; --count and --seed say which samples",
        )
    if out.suffix in (".png", ".npz"):
        raise InputError(
            f"`{out}` is one file, and --input makes a file of each image", "name a folder"
        )
    source = _images(given)
    if out.resolve() == source.path.resolve():
        raise InputError(
            f"`{out}` holds the images themselves, which would be written over",
            "choose another --out",
        )
    names = _names(source.files)
    count = 0
    with _bar() as bar, quiet():
        task = bar.add_task("", total=WHOLE * len(names))
        for place, (file, name) in enumerate(zip(source.files, names, strict=True)):
            try:
                image = _read(source.path, file, model)
            except Rejected as reason:
                tell(f"`{file}` left out: {left_out(str(reason))}")
            else:
                made = api.translated(model, image, partial(_advance, bar, task, place))
                save_png(image_grid(made[None], columns=1, scale=1, gap=0), out / name)
                count += 1
            _advance(bar, task, place, 1.0)
    if not count:
        raise InputError(
            f"none of {len(names)} files in `{given}` can be read as an image",
            "open one in a viewer: are they what their names say?",
        )
    return {"path": str(out), "count": count, "seconds": round(time.perf_counter() - started, 3)}


def _images(given: Path) -> Source:
    """The images of a folder or zip, or the one file."""
    if given.is_file() and not zipfile.is_zipfile(given):
        return Source(given.parent, (given.name,), ((0, 0),), 0)
    if not given.exists():
        raise InputError(f"--input `{given}` does not exist", "name a folder of images")
    return find_images(given)


def _names(files: tuple[str, ...]) -> list[str]:
    """The files' names ending in .png; whole names before it where two would become one."""
    plain = [str(PurePosixPath(file).with_suffix(".png")) for file in files]
    times = Counter(plain)
    return [
        name if times[name] == 1 else f"{file}.png" for file, name in zip(files, plain, strict=True)
    ]


def _read(path: Path, file: str, model: Model) -> torch.Tensor:
    """An image at its own size, in the channels that the generator takes."""
    assert model.input_shape is not None
    try:
        content = read_file(path, file)
    except (OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error, EOFError):
        raise Rejected("unreadable") from None
    if content is None:
        raise Rejected("too-large")
    background = colour_of(str(model.config.get("background", "white")))
    array = decode_whole(content, model.input_shape[0], background)
    return torch.from_numpy(np.ascontiguousarray(array))


def _advance(bar: Progress, task: TaskID, done: int, share: float) -> None:
    bar.update(task, completed=WHOLE * (done + share))


def _bar() -> Progress:
    return Progress(
        TextColumn("translating"),
        BarColumn(),
        TextColumn("{task.percentage:.0f}%"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
