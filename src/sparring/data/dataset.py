"""One array of samples with its splits: what every data source is turned into."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from sparring.data.mapped import MappedFile

SPLITS = ("train", "select", "test")
MAX_HELD_OUT = 5000


@dataclass(frozen=True)
class Modes:
    """The known modes of a distribution, all equally frequent, and what is near one.

    `centers` [M, ...] are as in `values`, and a sample is good if its distance to the nearest is at
    most `radius`: Euclidean for vectors, mean absolute grey level for images. If they `are_digits`,
    centers [M, K] are the digits in the first K channels, which a classifier has to read.
    """

    centers: Tensor
    radius: float
    are_digits: bool = False

    def __len__(self) -> int:
        return len(self.centers)


@dataclass(frozen=True)
class Dataset:
    """Samples as one array: uint8 [N, C, H, W] for images, float32 [N, D] for vectors.

    The splits are index arrays fixed by the data set: `train` is what GANs see, `select` chooses
    checkpoints, `test` gives the final scores. `notes` tell what was decided on the way from files
    to samples; `content` is the hash of the contents where it is known already.

    Of an image-to-image set these are the images to be made, and `source` is what they are made
    of, with splits of its own. `pairs` names the splits in which image i of one belongs to image i
    of the other; `files` are the names of the images, where partners are sought by them. With
    `mapped` the samples lie in that file and are read when they are looked at.
    """

    name: str
    values: Tensor
    splits: dict[str, Tensor]
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    modes: Modes | None = None
    description: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()
    content: str = ""
    source: Dataset | None = None
    pairs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    mapped: MappedFile | None = None

    @property
    def is_images(self) -> bool:
        return self.values.dtype == torch.uint8

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample: (C, H, W) or (D,)."""
        return tuple(self.values.shape[1:])

    def split(self, name: str) -> Tensor:
        """The samples of one split."""
        return self.rows(self.splits[name])

    def rows(self, indices: Tensor) -> Tensor:
        """These samples."""
        self.check()
        return self.values[indices]

    def parts(self, indices: Tensor, size: int) -> Iterator[Tensor]:
        """These samples, so many at a time: all of them may be larger than memory."""
        return map(self.rows, indices.split(size))

    def check(self) -> None:
        """InputError if samples that lie in a file can be read no longer."""
        if self.mapped is not None:
            self.mapped.check()

    def split_labels(self, name: str) -> Tensor | None:
        return None if self.labels is None else self.labels[self.splits[name]]

    @property
    def turned(self) -> Dataset:
        """The same two domains the other way round: what the inputs are, made of these."""
        assert self.source is not None
        inputs = replace(self, source=None, pairs=())
        content = digest_of("turned", self.fingerprint)
        return replace(self.source, source=inputs, pairs=self.pairs, content=content)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the contents: what a run was trained on, and the key of cached features."""
        if self.content:
            return self.content
        digest = hashlib.blake2b(digest_size=8)
        if self.source is not None:
            digest.update(repr((self.source.fingerprint, self.pairs)).encode())
        for tensor in (self.values, self.labels, *(self.splits[name] for name in SPLITS)):
            if tensor is not None:
                digest.update(repr((tensor.dtype, tuple(tensor.shape))).encode())
                for part in tensor.split(4096):  # the whole may be larger than memory
                    digest.update(part.contiguous().numpy().data)
        return digest.hexdigest()


def digest_of(*words: str) -> str:
    """A hash of what is known by hashes already."""
    return hashlib.blake2b(repr(words).encode(), digest_size=8).hexdigest()


def to_network(values: Tensor, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Samples as networks see them: uint8 images in [-1, 1], vectors unchanged."""
    moved = values.to(device, non_blocking=True)
    if moved.dtype != torch.uint8:
        return moved.to(dtype)
    scaled = moved.to(dtype).div_(127.5).sub_(1)
    return scaled.contiguous(memory_format=torch.channels_last) if scaled.dim() == 4 else scaled


def to_samples(output: Tensor, images: bool) -> Tensor:
    """What a generator puts out, as samples: uint8 from [-1, 1] for images, else float32."""
    output = output.detach().float().cpu()
    if not images:
        return output
    return output.add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8).contiguous()


def split_by_draw(count: int) -> dict[str, Tensor]:
    """Splits for data that has none: a tenth, at most 5,000, for each of select and test."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    part = max(2, min(count // 10, MAX_HELD_OUT))  # a score needs two samples
    return {
        "select": order[:part].sort().values,
        "test": order[part : 2 * part].sort().values,
        "train": order[2 * part :].sort().values,
    }
