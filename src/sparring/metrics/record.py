"""What a metric is given and what it returns: never a bare number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

from sparring.data import Dataset
from sparring.games import Prior
from sparring.metrics.features import Extractor


class Source(NamedTuple):
    """A generator itself, and where its inputs come from.

    `outputs`: latents [N, size] and labels to float samples, images in [-1, 1], never rounded.
    """

    outputs: Callable[[Tensor, Tensor | None], Tensor]
    prior: Prior


@dataclass(frozen=True)
class Made:
    """Generated samples [M, ...], and what only some metrics need.

    Labels [M], the generator; of images made of images what they should be [M, ...].
    """

    samples: Tensor
    labels: Tensor | None = None
    generator: Source | None = None
    wanted: Tensor | None = None


Found = TypeVar("Found")


@dataclass(frozen=True)
class Comparison:
    """Features of real [N, F] and generated [M, F] samples in float64, and the samples.

    Only for metrics that say that they need them: class `logits` [M, K] of the generated samples,
    features of the training set [T, F] (in parts, anew at each call) and of data held out from
    training [H, F], `labels` [M] of the generated samples, the `generator`, what each sample should
    be (`wanted`). `extractor` made the features; `perceptual` ones, where there are any, are for
    comparing single samples. What several metrics work out alike is put down in `found`; what
    depends on the real side alone in `kept`, which a Scorer hands on to its next comparison.
    """

    real: Tensor
    fake: Tensor
    samples_fake: Tensor
    dataset: Dataset | None = None
    logits: Tensor | None = None
    train: Callable[[], Iterable[Tensor]] | None = None
    held_out: Tensor | None = None
    labels: Tensor | None = None
    generator: Source | None = None
    wanted: Tensor | None = None
    split: str = "all"
    extractor: Extractor | None = None
    perceptual: Extractor | None = None
    found: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)


def once(store: dict[str, Any], name: str, work: Callable[[], Found]) -> Found:
    """What `work` returns, done only where the store has nothing of that name."""
    if name not in store:
        store[name] = work()
    found: Found = store[name]
    return found


class Provenance(NamedTuple):
    """What a value was computed on: the words of its record."""

    features: str
    layer: str
    resize: str


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error where it has one, and what a reader must know of it.

    An error that takes long is a function: a checkpoint is chosen by values alone. `more` are
    further numbers by name; `provenance` is set where it is not that of the features.
    """

    value: float
    error_of: float | Callable[[], float | None] | None = None
    flags: list[str] = field(default_factory=list)
    more: dict[str, float] = field(default_factory=dict)
    provenance: Provenance | None = None

    @property
    def error(self) -> float | None:
        return self.error_of() if callable(self.error_of) else self.error_of


@dataclass(frozen=True)
class Record:
    """A metric's value with its provenance, as it is printed and stored."""

    value: float
    error: float | None
    features: str
    layer: str
    resize: str
    samples_real: int
    samples_fake: int
    seed: int
    split: str
    flags: list[str]

    def json(self) -> dict[str, Any]:
        return asdict(self)
