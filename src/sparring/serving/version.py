"""One version of a generator, ready to run: the same inputs make the same bytes, whatever else
is in their batch."""

from __future__ import annotations

import hashlib
import json
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sparring.errors import InputError
from sparring.games import Inputs
from sparring.model import label_of
from sparring.onnx_generator import FLOATS, LABELS, TRUNCATION, OnnxGenerator, need
from sparring.png import FORMAT
from sparring.run import RunFolder
from sparring.serving.diversity import mean_distance
from sparring.serving.refusal import out_of_range
from sparring.serving.settings import CPU_PROVIDER
from sparring.serving.sources import Source
from sparring.version import __version__

Array = npt.NDArray[Any]

BUCKETS = (1, 2, 4, 8, 16)  # the batch sizes that a session ever sees
CHECKED = 64  # seeds on which these must agree
SLOW = 0.005  # seconds a sample from which on only as many are tried as the largest size holds
WORTH = 1.05  # how much longer a sample may take in a larger batch: caches may be too small for it


class Version:
    """A generator and what is known of it.

    `scores` are records as `sparring evaluate` gives them, by metric. `warm_up` comes first.
    Raises InputError where the file is no generator.
    """

    def __init__(self, source: Source, provider: str = CPU_PROVIDER) -> None:
        # One thread a session: sums are then the same whatever else the machine does, and several
        # small batches at once use the cores as well as one large one.
        torch.set_num_threads(1)
        self.name, self.id, self.run_folder = source.name, source.version, source.run
        self.content = source.content
        self.file = OnnxGenerator(source.content, source.name, provider)
        self.made_by = _made_by(provider)
        self.latent, self.prior = self.file.latent, self.file.prior
        self.classes = tuple(map(str, self.file.classes))
        self.scores: dict[str, Any] = self.file.metadata.get("metrics") or {}
        self.referee = _referee(source.run)
        # Latents can be scaled here, the styles of a style generator only in its file.
        scalable = self.latent.prior == "normal" and not self.file.metadata.get("styles")
        self.can_truncate = scalable or TRUNCATION in self.file.inputs
        self.warnings: list[str] = []
        self.seconds = 0.0  # that one sample takes
        self.spread = 0.0  # mean distance of two samples
        self._port = self.file.inputs[self.file.z]
        fixed = self._port.shape[0]
        self.buckets: tuple[int, ...] = (fixed,) if isinstance(fixed, int) else BUCKETS
        sample = self.file.sample(range(1))  # says what is wrong with a file that makes none
        self.shape = tuple(sample.shape[1:])
        self.is_images = len(self.shape) == 3

    @property
    def ref(self) -> str:
        return f"{self.name}@{self.id}"

    @cached_property
    def described(self) -> dict[str, Any]:
        """What `GET /v1/models` tells of it."""
        return {
            "name": self.name,
            "version": self.id,
            "latent_size": self.latent.size,
            "prior": self.latent.prior,
            "shape": list(self.shape),
            "images": self.is_images,
            "classes": list(self.classes),
            "truncation": self.can_truncate,
            "data": self.file.data.get("name"),
            "licence": self.file.data.get("licence"),
            "step": self.file.metadata.get("step"),
            "scores": self.scores,
            "verdict": self.referee.get("verdict", "unknown"),
            "findings": self.referee.get("findings", []),
        }

    def warm_up(self) -> None:
        """Run every batch size; keep those that make the bits of single samples, and as quickly.

        Kernels may sum in another order for another batch size. Only of floats can that be seen:
        a file that puts out bytes is run sample by sample.
        """
        smallest, *larger = self.buckets
        self._tried(smallest, smallest)  # the first run prepares the session
        _, self.seconds = self._tried(smallest, smallest)
        count = CHECKED if self.seconds < SLOW else max(self.buckets)
        alone, self.seconds = self._tried(smallest, count)
        kept = [smallest]
        for size in larger if alone.dtype != np.uint8 else ():
            found, seconds = self._tried(size, count)
            if np.array_equal(alone, found, equal_nan=True) and seconds < WORTH * self.seconds:
                kept.append(size)
                self.seconds = min(seconds, self.seconds)
        self.buckets = tuple(kept)
        self.spread = mean_distance(self._as_samples(alone))
        if not self.spread:
            self.warnings.append(f"{self.ref} makes the same sample of every seed")

    def inputs(self, seeds: range, label: int | None = None) -> Inputs:
        """Latents and labels of seeds, as `sparring sample` draws them."""
        return self.prior.of(seeds, label)

    def as_fed(self, inputs: Inputs) -> tuple[Array, Array]:
        """Latents float32 [N, size] and labels int64 [N], 0 where there are no classes."""
        count = len(inputs.z)
        labels = np.zeros(count, np.int64) if inputs.labels is None else inputs.labels.numpy()
        return inputs.z.numpy(), labels

    def run(self, z: Array, labels: Array, truncation: Array) -> Array:
        """Samples of latents [N, size], labels [N] and truncations [N]: uint8 [N, C, H, W] of
        images, float32 [N, D] of vectors."""
        return self._as_samples(self._raw(z, labels, truncation, self.buckets))

    def label(self, text: str) -> int:
        """The number of a class by its name or number; Refusal where there is none."""
        try:
            return label_of(text, self.classes, self.prior.class_counts)
        except InputError as error:
            raise out_of_range(f"label: {error.message}"[:300]) from None

    def _tried(self, size: int, count: int) -> tuple[Array, float]:
        """What comes of `count` seeds in batches of a size, and the median seconds a sample."""
        z, labels = self.as_fed(self.inputs(range(count)))
        ones = np.ones(count, np.float32)
        made, times = [], []
        for start in range(0, count, size):
            part = slice(start, start + size)
            started = time.perf_counter()
            made.append(self._raw(z[part], labels[part], ones[part], (size,)))
            times.append(time.perf_counter() - started)
        return np.concatenate(made), float(np.median(times)) / size

    def _raw(self, z: Array, labels: Array, truncation: Array, buckets: Sequence[int]) -> Array:
        """What the session makes, in batches of these sizes only; the last is filled up."""
        if TRUNCATION not in self.file.inputs:
            z = z * truncation[:, None]
        z = z.astype(FLOATS[self._port.type], copy=False)
        parts, start = [], 0
        while start < len(z):
            left = len(z) - start
            size = max((one for one in buckets if one <= left), default=buckets[0])
            part = slice(start, start + size)
            feed = {self.file.z: _filled(z[part], size).reshape(-1, *self._port.shape[1:])}
            if LABELS in self.file.inputs:
                feed[LABELS] = _filled(labels[part], size)
            if TRUNCATION in self.file.inputs:
                feed[TRUNCATION] = _filled(truncation[part], size)
            (found,) = self.file.session.run([self.file.output.name], feed)
            parts.append(found[:left])
            start += size
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _as_samples(self, output: Array) -> Array:
        """As `sparring sample` rounds: to the nearest grey level, halves to the even one."""
        if output.ndim == 4 and output.shape[1:] != self.shape:  # the channels are last
            output = output.transpose(0, 3, 1, 2)
        if output.dtype == np.uint8 or not self.is_images:
            return output if output.dtype == np.uint8 else output.astype(np.float32, copy=False)
        scaled = output.astype(np.float32, copy=True)
        scaled += 1
        scaled *= 127.5
        np.rint(scaled, out=scaled)
        np.clip(scaled, 0, 255, out=scaled)
        with np.errstate(invalid="ignore"):  # a pixel that is no number is black
            return scaled.astype(np.uint8)


def _made_by(provider: str) -> str:
    """What the bytes of an image depend on besides its address: what draws, computes and packs."""
    runtime = need("onnxruntime").__version__
    parts = (__version__, torch.__version__, runtime, provider, zlib.ZLIB_RUNTIME_VERSION, FORMAT)
    return hashlib.blake2b(repr(parts).encode(), digest_size=4).hexdigest()


def _referee(run: RunFolder | None) -> dict[str, Any]:
    """What the referee found in a run; nothing is known of a file."""
    with suppress(OSError, ValueError):
        found = json.loads(run.findings.read_text()) if run else {}
        return found if isinstance(found, dict) else {}
    return {}


def _filled(part: Array, size: int) -> Array:
    """A part of a batch with zeros to a size."""
    if len(part) == size:
        return part
    filled = np.zeros((size, *part.shape[1:]), part.dtype)
    filled[: len(part)] = part
    return filled
