"""Folders and zips of images: packed once, on all cores, into a memory-mapped cache."""

from __future__ import annotations

import hashlib
import os
import statistics
import sys
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import ImageColor
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sparring.data.dataset import Dataset, split_by_draw
from sparring.data.decode import CONVERTED, LEFT_OUT, Half, Plan, Rejected, decode, measure, quiet
from sparring.data.known import cache_home
from sparring.data.packed import FORMAT, read_packed, write_packed
from sparring.data.source import Source, classes_of, find_images, read_file
from sparring.errors import InputError, SparringError
from sparring.recipe import Data
from sparring.run import cannot_write

DECODING = 2  # raised when the same file gives other pixels, so that caches are made anew
FEWEST = 10  # images that make a data set
CHUNK = 64  # images a worker takes at a time
FEW = 4 * CHUNK  # for fewer, starting workers costs more than it saves
MEASURED = 500  # files whose headers choose the size
SMALLEST, LARGEST = 8, 64  # pixels a side that are chosen without being asked
EXAMPLES = 3


@dataclass(frozen=True)
class Job:
    """Some files of a source, the place of the first one in it, and what they become."""

    path: Path
    names: tuple[str, ...]
    first: int
    plan: Plan


@dataclass
class Chunk:
    """Some images: samples [n, C, S, S], their places in the source, what was decided where."""

    samples: np.ndarray
    kept: list[int]
    grey: bool = True
    decided: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def open_images(
    path: Path, data: Data, source: Source | None = None, half: Half | None = None
) -> Dataset:
    """The images below `path` as one array, from the cache where nothing has changed.

    Of a domain of an image-to-image set the `source` is given, some of the files there or a `half`
    of each; then their names are kept.
    """
    named = source is not None
    source = source or find_images(path)
    background = colour_of(data.background)
    asked: tuple[Any, ...] = (FORMAT, DECODING, source.files, source.stamps)
    asked += (data.size, data.channels, background, *((half, named) if named else ()))
    key = hashlib.blake2b(repr(asked).encode(), digest_size=12).hexdigest()
    cached = cache_home() / "packed" / f"{path.stem}-{key}.safetensors"
    if cached.is_file():
        try:
            return read_packed(cached)
        except InputError:
            cached.unlink()  # a damaged cache is made again
    size, reason = (data.size, "as asked") if data.size else _choose_size(source, half)
    plan = Plan(size, data.channels or 3, background, half)
    cached.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=cached.parent) as raw:
            dataset = _pack(source, plan, data.channels is None, reason, raw, named)
            write_packed(dataset, cached)
    except OSError as error:
        raise cannot_write(cached, error) from None
    return read_packed(cached)


def _pack(
    source: Source, plan: Plan, may_be_grey: bool, reason: str, raw: BinaryIO, named: bool
) -> Dataset:
    """Decode everything into the open file `raw` and describe it as a data set."""
    kept: list[int] = []
    decided: dict[str, list[str]] = defaultdict(list)
    grey = may_be_grey
    for chunk in _decoded(source, plan):
        raw.write(chunk.samples.data)
        kept += chunk.kept
        for code, names in chunk.decided.items():
            decided[code] += names
        grey = grey and chunk.grey
    if len(kept) < FEWEST:
        raise InputError(
            f"`{source.path}` holds {len(kept)} images that can be read",
            f"a GAN needs at least {FEWEST}, better thousands. "
            + "; ".join(_told(decided, len(source.files))),
        )
    raw.flush()
    shape = (len(kept), plan.channels, plan.size, plan.size)
    mapped = np.memmap(raw, np.uint8, "r+", shape=shape)
    values = torch.from_numpy(mapped)
    classes, labels = classes_of([source.files[index] for index in kept])
    notes = [f"{plan.size}x{plan.size} pixels: {reason}"]
    notes += ["grey: no image has any colour"] if grey else []
    notes += _told(decided, len(source.files))
    notes += [f"{source.others:,} other files passed over"] if source.others else []
    return Dataset(
        source.path.stem,
        values[:, :1] if grey else values,
        split_by_draw(len(kept)),
        torch.tensor(labels) if classes else None,
        classes,
        description=f"{len(kept):,} images of {source.path.name}",
        notes=tuple(notes),
        files=tuple(source.files[index] for index in kept) if named else (),
    )


def _decoded(source: Source, plan: Plan) -> Iterator[Chunk]:
    """The images in order, a chunk at a time, with a progress bar and the time left."""
    count = len(source.files)
    jobs = [
        Job(source.path, source.files[first : first + CHUNK], first, plan)
        for first in range(0, count, CHUNK)
    ]
    with Progress(
        TextColumn("packing images"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=count)
        if count <= FEW:
            chunks = map(decode_chunk, jobs)
            for chunk, job in zip(chunks, jobs, strict=True):
                yield chunk
                bar.advance(task, len(job.names))
            return
        with _workers() as pool:
            try:
                for chunk, job in zip(pool.map(decode_chunk, jobs), jobs, strict=True):
                    yield chunk
                    bar.advance(task, len(job.names))
            except BrokenProcessPool:
                raise SparringError(
                    "a process that packs images was killed", "is there enough memory?"
                ) from None
            finally:
                pool.shutdown(cancel_futures=True)


def _workers() -> Executor:
    """One a core: processes where starting them is cheap, else threads (decoders free the lock)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if sys.platform == "linux":
        return ProcessPoolExecutor(cores, get_context("fork"))
    return ThreadPoolExecutor(cores)


def decode_chunk(job: Job) -> Chunk:
    """Decode some of a source's images; those that cannot be used are left out and noted."""
    size = job.plan.size
    chunk = Chunk(np.empty((len(job.names), job.plan.channels, size, size), np.uint8), [])
    with quiet():
        for place, name in enumerate(job.names, job.first):
            try:
                chunk.samples[len(chunk.kept)], codes = decode(_read(job.path, name), job.plan)
            except Rejected as reason:
                chunk.decided[str(reason)].append(name)
                continue
            chunk.kept.append(place)
            for code in codes:
                chunk.decided[code].append(name)
    chunk.samples = chunk.samples[: len(chunk.kept)]
    chunk.grey = bool((chunk.samples == chunk.samples[:, :1]).all())
    return chunk


def _read(path: Path, name: str) -> bytes:
    try:
        content = read_file(path, name)
    except (OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error, EOFError):
        raise Rejected("unreadable") from None
    if content is None:
        raise Rejected("too-large")
    return content


def _choose_size(source: Source, half: Half | None = None) -> tuple[int, str]:
    """A multiple of 4 near the median short side, at most LARGEST, and why."""
    step = max(1, len(source.files) // MEASURED)
    found = []
    with quiet():
        for name in source.files[::step]:
            try:
                seen = measure(_read(source.path, name))
            except Rejected:
                continue
            found += [min(seen[0] // (2 if half else 1), seen[1])] if seen else []
    if not found:
        raise InputError(
            f"`{source.path}`: none of {len(source.files)} files can be read as an image",
            "open one in a viewer: are they what their names say?",
        )
    side = int(statistics.median(found))
    if side > LARGEST:
        return LARGEST, (
            f"images have a short side of about {side}; more than {LARGEST} needs a GPU or much "
            "patience (ask with data.size=128)"
        )
    size = max(SMALLEST, round(side / 4) * 4)
    return size, f"images have a short side of about {side}"


def _told(decided: dict[str, list[str]], total: int) -> list[str]:
    """The summary: one line for each decision, with how many and which."""
    lines = []
    for words, verb in ((LEFT_OUT, "left out, "), (CONVERTED, "")):
        for code in words:
            if names := decided.get(code):
                shown = ", ".join(names[:EXAMPLES]) + (", …" if len(names) > EXAMPLES else "")
                told = f"{len(names):,} of {total:,} {verb}{words[code]} ({shown})"
                lines.append(told if len(names) < total else f"all {verb}{words[code]}")
    return lines


def colour_of(name: str) -> tuple[int, int, int]:
    """The colour behind transparent pixels; InputError for a name that is none."""
    try:
        return ImageColor.getrgb(name)[:3]
    except ValueError:
        raise InputError(
            f"data.background={name} is no colour", "give a name (white) or #rrggbb"
        ) from None
