"""Batches of samples as one file: a zip of PNG files, or arrays in an npz."""

from __future__ import annotations

import asyncio
import io
import secrets
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sparring.games import Inputs
from sparring.png import png
from sparring.serving.address import MOST_SEED, check_truncation
from sparring.serving.diversity import diversity
from sparring.serving.refusal import Answer, Headers, out_of_range
from sparring.serving.schema import Batch
from sparring.serving.studio import Studio
from sparring.serving.telemetry import LOG, LOW_DIVERSITY
from sparring.serving.version import Version

EPOCH = (1980, 1, 1, 0, 0, 0)  # the same batch is the same bytes
Array = npt.NDArray[Any]


def count_of(batch: Batch, most: int) -> int:
    """How many samples are asked for; Refusal for none, too many, or both ways of asking."""
    if (batch.seeds is None) == (batch.count is None):
        raise out_of_range("give either seeds or count")
    count = len(batch.seeds) if batch.seeds is not None else batch.count or 0
    if count > most:
        raise out_of_range(f"count: at most {most} samples a request, not {count}")
    if isinstance(batch.labels, list) and len(batch.labels) != count:
        raise out_of_range(f"labels: {len(batch.labels)} for {count} samples")
    return count


async def make_batch(studio: Studio, version: Version, batch: Batch, count: int) -> Answer:
    """The samples of a batch in the format it asks for, with their diversity in two headers."""
    if batch.format == "png" and not version.is_images:
        raise out_of_range(f"format: {version.name} makes vectors; ask for npz")
    first = secrets.randbelow(MOST_SEED + 1 - count)
    seeds = batch.seeds or list(range(first, first + count))
    truncation = check_truncation(version, batch.truncation)
    z, labels = version.as_fed(_inputs(version, seeds, batch.labels))
    samples = await studio.samples(version, z, labels, truncation)
    if batch.format == "npz":
        known = labels if version.classes else np.full(count, -1)
        arrays = {"samples": samples, "labels": known, "seeds": np.array(seeds)}
        content = await asyncio.to_thread(_arrays, **arrays)
        kind = "application/octet-stream"
    else:
        content = await asyncio.to_thread(_zipped, seeds, samples)
        kind = "application/zip"
    name = f'attachment; filename="{version.name}.{"npz" if batch.format == "npz" else "zip"}"'
    head = [(b"content-type", kind.encode()), (b"content-disposition", name.encode())]
    told = await asyncio.to_thread(_told, version, samples)
    return Answer(200, [*head, *told], content)


def _inputs(version: Version, seeds: list[int], labels: Any) -> Inputs:
    """The latents of seeds, with the labels that are given or those that the seeds draw."""
    if not isinstance(labels, list):
        labels = [labels] * len(seeds)
    numbers = [None if label is None else version.label(str(label)) for label in labels]
    each = [
        version.inputs(range(seed, seed + 1), number)
        for seed, number in zip(seeds, numbers, strict=True)
    ]
    drawn = [one.labels for one in each if one.labels is not None]
    return Inputs(torch.cat([one.z for one in each]), torch.cat(drawn) if drawn else None)


def _told(version: Version, samples: Array) -> Headers:
    """How different the samples are; what is too much alike is logged."""
    found = diversity(samples, version.spread)
    if found is None:
        return []
    if found.is_low:
        LOW_DIVERSITY.labels(version.name).inc()
        message = f"{len(samples)} samples of {version.ref} spread {found.share:.0%} as usual"
        LOG.event("warning", "diversity", message=message)
    return [
        (b"x-diversity", f"{found.share:.3f}".encode()),
        (b"x-repeated", b"%d" % found.repeated),
    ]


def _zipped(seeds: list[int], samples: Array) -> bytes:
    """SEED.png for each; of a seed that comes again the place is in its name too."""
    buffer, taken = io.BytesIO(), set()
    with zipfile.ZipFile(buffer, "w") as archive:
        for place, (seed, sample) in enumerate(zip(seeds, samples, strict=True)):
            name = f"{seed}-{place}.png" if seed in taken else f"{seed}.png"
            taken.add(seed)
            archive.writestr(zipfile.ZipInfo(name, EPOCH), png(sample))
    return buffer.getvalue()


def _arrays(**arrays: Array) -> bytes:
    buffer = io.BytesIO()
    save: Any = np.savez  # whose options, in its annotations, might be arrays' names
    save(buffer, **arrays)
    return buffer.getvalue()
