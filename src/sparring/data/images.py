"""Folders and zips of images: packed once, on all cores, into a memory-mapped cache."""

from __future__ import annotations

import hashlib
import statistics
import sys
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ImageColor

from sparring.data.dataset import Dataset, split_by_draw
from sparring.data.decode import CONVERTED, LEFT_OUT, Half, Plan, Rejected, decode, measure, quiet
from sparring.data.known import cache_home
from sparring.data.packed import FORMAT, read_packed, write_packed
from sparring.data.partial import EXAMPLES, Partial, partial_of
from sparring.data.source import Source, find_images
from sparring.data.workers import FEW as FEW_PARTS
from sparring.data.workers import in_order
from sparring.errors import InputError
from sparring.recipe import Data
from sparring.run import cannot_write

DECODING = 2  # raised when the same file gives other pixels, so that caches are made anew
FEWEST = 10  # images that make a data set
CHUNK = 64  # images a worker takes at a time
FEW = FEW_PARTS * CHUNK  # for no more, no workers are started
MEASURED = 500  # files whose headers choose the size
SMALLEST, LARGEST = 8, 64  # pixels a side that are chosen without being asked


@dataclass(frozen=True)
class Job:
    """Some files of a source, the place of the first one in it, and what they become."""

    source: Source
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
    stamps = (source.files, source.stamps)
    return open_found(path, stamps, lambda: source, data, (half, named) if named else ())


def open_found(
    path: Path,
    stamps: Any,
    find: Callable[[], Source],
    data: Data,
    of_domain: tuple[Half | None, bool] | tuple[()] = (),
) -> Dataset:
    """The images that `find` finds as one array, from the cache where `stamps` are the same."""
    half, named = of_domain or (None, False)
    background = colour_of(data.background)
    asked = (FORMAT, DECODING, *stamps, data.size, data.channels, background, *of_domain)
    key = hashlib.blake2b(repr(asked).encode(), digest_size=12).hexdigest()
    cached = cache_home() / "packed" / f"{path.stem}-{key}.safetensors"
    if (dataset := _kept(cached)) is not None:
        return dataset
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with partial_of(cached) as partial:
            if (dataset := _kept(cached)) is not None:
                return dataset  # another process has made it meanwhile
            source = find()
            size, reason = (data.size, "as asked") if data.size else choose_size(source, half)
            plan = Plan(size, data.channels or 3, background, half)
            _decode(source, plan, partial)
            write_packed(_described(source, plan, partial, data, reason, named), cached)
    except OSError as error:
        raise cannot_write(cached, error) from None
    return read_packed(cached)


def _kept(cached: Path) -> Dataset | None:
    """What is in the cache; a damaged file there is made again."""
    if cached.is_file():
        try:
            return read_packed(cached)
        except InputError:
            cached.unlink()
    return None


def _decode(source: Source, plan: Plan, partial: Partial) -> None:
    """Decode what is not decoded yet."""
    partial.resume(plan.channels * plan.size**2)
    count = len(source.files)
    if partial.done:
        print(f"packing goes on at image {partial.done:,} of {count:,}", file=sys.stderr)
    jobs = [Job(source.part(i, CHUNK), i, plan) for i in range(partial.done, count, CHUNK)]
    sizes = [len(job.source.files) for job in jobs]
    chunks = in_order(decode_chunk, jobs, sizes, "packing images", partial.done)
    for chunk, size in zip(chunks, sizes, strict=True):
        partial.add(chunk.samples, size, chunk.kept, chunk.grey, chunk.decided)


def _described(
    source: Source, plan: Plan, partial: Partial, data: Data, reason: str, named: bool
) -> Dataset:
    """The decoded images as a data set; InputError where they are too few."""
    kept = partial.kept
    if len(kept) < FEWEST:
        raise InputError(
            f"`{source.path}` holds {len(kept)} images that can be read",
            f"a GAN needs at least {FEWEST}, better thousands. "
            + "; ".join(_told(partial, len(source.files))),
        )
    partial.raw.flush()
    shape = (len(kept), plan.channels, plan.size, plan.size)
    values = torch.from_numpy(np.memmap(partial.raw, np.uint8, "r+", shape=shape))
    grey = partial.grey and data.channels is None
    classes, labels = source.classes_of(kept)
    notes = [f"{plan.size}x{plan.size} pixels: {reason}"]
    notes += ["grey: no image has any colour"] if grey else []
    notes += _told(partial, len(source.files))
    notes += [f"{source.others:,} other files passed over"] if source.others else []
    return Dataset(
        source.path.stem,
        values[:, :1] if grey else values,
        split_by_draw(len(kept)),
        torch.tensor(labels) if classes else None,
        classes,
        description=f"{len(kept):,} images of {source.path.name}",
        notes=(*notes, *source.notes),
        files=tuple(source.files[index] for index in kept) if named else (),
    )


def decode_chunk(job: Job) -> Chunk:
    """Decode some of a source's images; those that cannot be used are left out and noted."""
    files = job.source.files
    size = job.plan.size
    chunk = Chunk(np.empty((len(files), job.plan.channels, size, size), np.uint8), [])
    with quiet():
        for place, name in enumerate(files):
            try:
                content = file_bytes(job.source, place)
                chunk.samples[len(chunk.kept)], codes = decode(content, job.plan)
            except Rejected as reason:
                chunk.decided[str(reason)].append(name)
                continue
            chunk.kept.append(job.first + place)
            for code in codes:
                chunk.decided[code].append(name)
    chunk.samples = chunk.samples[: len(chunk.kept)]
    chunk.grey = bool((chunk.samples == chunk.samples[:, :1]).all())
    return chunk


def file_bytes(source: Source, place: int) -> bytes:
    """The bytes of an image file; Rejected says why there are none."""
    try:
        content = source.content(place)
    except (OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error, EOFError):
        raise Rejected("unreadable") from None
    if content is None:
        raise Rejected("too-large")
    return content


def choose_size(source: Source, half: Half | None = None) -> tuple[int, str]:
    """The size unless one is asked for, and why.

    A multiple of 4 near the median short side, at most LARGEST.
    """
    step = max(1, len(source.files) // MEASURED)
    found = []
    with quiet():
        for place in range(0, len(source.files), step):
            try:
                seen = measure(file_bytes(source, place))
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


def _told(partial: Partial, total: int) -> list[str]:
    """The summary: one line for each decision, with how many and which."""
    lines = []
    for words, verb in ((LEFT_OUT, "left out, "), (CONVERTED, "")):
        for code in words:
            if count := partial.counts[code]:
                shown = ", ".join(partial.shown[code]) + (", …" if count > EXAMPLES else "")
                told = f"{count:,} of {total:,} {verb}{words[code]} ({shown})"
                lines.append(told if count < total else f"all {verb}{words[code]}")
    return lines


def colour_of(name: str) -> tuple[int, int, int]:
    """The colour behind transparent pixels; InputError for a name that is none."""
    try:
        return ImageColor.getrgb(name)[:3]
    except ValueError:
        raise InputError(
            f"data.background={name} is no colour", "give a name (white) or #rrggbb"
        ) from None
