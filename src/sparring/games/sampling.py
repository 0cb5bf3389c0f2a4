"""What a generator is given when it is sampled, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sparring.data import Dataset, to_network, to_samples
from sparring.errors import InputError
from sparring.machine import keep_freed_memory
from sparring.networks import takes_labels
from sparring.networks.styles import has_styles, truncated
from sparring.randomness import keyed
from sparring.recipe import Latent

KEPT = 4  # ranges of seeds: those of snapshots and scores come back again and again
CHUNK = 64  # the batch size of all sampling: kernels differ between sizes, samples must not
CHUNK_PIXELS = CHUNK * 64 * 64  # of images that are translated together


class Inputs(NamedTuple):
    """Latents [N, size], and labels [N] for a conditional generator.

    `z` of one that makes images of images are those, uint8 [N, C, H, W].
    """

    z: Tensor
    labels: Tensor | None = None

    def first(self, count: int) -> Inputs:
        return self.part(slice(0, count))

    def part(self, rows: slice) -> Inputs:
        return Inputs(self.z[rows], None if self.labels is None else self.labels[rows])


class Prior:
    """Where a generator's inputs come from: p(z), and how often each class occurs.

    `class_counts` is empty for a generator without classes.
    """

    def __init__(self, latent: Latent, class_counts: Sequence[int] = ()) -> None:
        self.latent = latent
        self.class_counts = list(class_counts)
        self._kept: dict[range, Inputs] = {}

    @property
    def classes(self) -> int:
        return len(self.class_counts)

    def of(self, seeds: range, label: int | None = None) -> Inputs:
        """The inputs of sample seeds: each depends on its own seed only, and on a given label."""
        if label is not None:
            return Inputs(latents_of(self.latent, seeds), torch.full((len(seeds),), label))
        if seeds not in self._kept:
            if len(self._kept) == KEPT:
                self._kept.clear()
            self._kept[seeds] = Inputs(latents_of(self.latent, seeds), self._labels(seeds))
        return self._kept[seeds]

    def wanted(self, seeds: range) -> None:
        """Of no latent it is known what should become of it."""

    def each_class(self, seeds: range, most: int) -> Inputs:
        """The same latents for every class, class by class; of the first `most` classes."""
        z = latents_of(self.latent, seeds)
        classes = torch.arange(min(self.classes, most))
        return Inputs(z.repeat(len(classes), 1), classes.repeat_interleave(len(z)))

    def in_order(self, seeds: range) -> Inputs:
        """The latents of sample seeds, as many for each class, class by class."""
        labels = torch.arange(len(seeds)) * self.classes // len(seeds)
        return Inputs(latents_of(self.latent, seeds), labels)

    def _labels(self, seeds: range) -> Tensor | None:
        if not self.class_counts:
            return None
        drawn = [draw_labels(self.class_counts, 1, keyed("label", seed)) for seed in seeds]
        return torch.cat(drawn) if drawn else torch.empty(0, dtype=torch.long)


class Pictures:
    """Where the inputs of a generator come from that makes images of images: a held-out split.

    Input i is image i of the source; there are no more than it has.
    """

    def __init__(self, dataset: Dataset, split: str) -> None:
        assert dataset.source is not None
        self.dataset, self.split = dataset, split
        self.indices = dataset.source.splits[split]

    def of(self, seeds: range) -> Inputs:
        """The inputs of sample seeds, as far as there are any."""
        assert self.dataset.source is not None
        return Inputs(self.dataset.source.rows(self._of(seeds, self.indices)))

    def wanted(self, seeds: range) -> Tensor | None:
        """What should become of them, uint8 [N, C, H, W], where that is known."""
        if self.split not in self.dataset.pairs:
            return None
        return self.dataset.rows(self._of(seeds, self.dataset.splits[self.split]))

    def _of(self, seeds: range, indices: Tensor) -> Tensor:
        return indices[[seed for seed in seeds if seed < len(indices)]]


def prior_of(latent: Latent, dataset: Dataset, generator: nn.Module) -> Prior:
    """The prior of a generator: its classes are as frequent as in the training data."""
    labels = dataset.split_labels("train") if takes_labels(generator) else None
    counts = () if labels is None else labels.bincount(minlength=len(dataset.classes)).tolist()
    return Prior(latent, counts)


def draw_labels(class_counts: Sequence[int], count: int, draw: torch.Generator) -> Tensor:
    """Labels [count], each class as likely as it is frequent."""
    return torch.multinomial(
        torch.tensor(class_counts, dtype=torch.float64), count, replacement=True, generator=draw
    )


def draw_latents(latent: Latent, shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
    """Draws from p(z): standard normal, or uniform on [0, 1)."""
    make: Any = torch.randn if latent.prior == "normal" else torch.rand
    return make(shape, generator=draw)


def latents_of(latent: Latent, seeds: Sequence[int]) -> Tensor:
    """The latents [N, size] of sample seeds."""
    rows = [draw_latents(latent, (latent.size,), keyed("sample", seed)) for seed in seeds]
    return torch.stack(rows) if rows else torch.empty(0, latent.size)


def generate(
    generator: nn.Module,
    inputs: Inputs | Tensor,
    images: bool,
    truncation: float | None = None,
) -> Tensor:
    """Samples [N, ...] of inputs, or of latents [N, size] alone, perhaps truncated."""
    z, labels = inputs if isinstance(inputs, Inputs) else Inputs(inputs)

    def samples(z: Tensor, labels: Tensor | None = None) -> Tensor:
        shares = None if truncation is None else torch.full((len(z),), truncation, device=z.device)
        return to_samples(truncated(generator, z, labels, shares), images)

    return in_batches(generator, samples, z, labels)


@torch.inference_mode()
def in_batches(
    generator: nn.Module, work: Callable[..., Tensor], z: Tensor, labels: Tensor | None = None
) -> Tensor:
    """What `work` makes of rows z [N, ...] and labels, in batches of one size on the generator's
    device; the last one is filled up with zeros."""
    keep_freed_memory()
    parameter = next(generator.parameters())
    chunk = CHUNK if z.dim() == 2 else max(1, min(CHUNK, CHUNK_PIXELS // z[0, 0].numel()))
    parts = []
    for start in range(0, len(z), chunk):
        count = len(z[start : start + chunk])
        part = _filled(z[start : start + chunk], chunk)
        given = [to_network(part, parameter.device, parameter.dtype)]
        if labels is not None:
            given.append(_filled(labels[start : start + chunk], chunk).to(parameter.device))
        parts.append(work(*given)[:count])
    return torch.cat(parts)


def _filled(part: Tensor, size: int) -> Tensor:
    """A part of a batch with zeros to the usual size."""
    filled = part.new_zeros((size, *part.shape[1:]))
    filled[: len(part)] = part
    return filled


def check_truncation(generator: nn.Module, latent: Latent, share: float = 1.0) -> None:
    """InputError where latents cannot be truncated, or not to such a share."""
    if not 0 <= share <= 1:
        raise InputError(f"--truncation {share:g} is no share", "choose from 0 (the mean) to 1")
    if latent.prior == "uniform" and not has_styles(generator):
        raise InputError(
            "latents from a uniform prior cannot be truncated: they have no tails",
            "leave --truncation out",
        )
