"""What a metric is given and what it returns: never a bare number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from torch import Tensor

from sparring.data import Dataset

Found = TypeVar("Found")


@dataclass(frozen=True)
class Comparison:
    """Features of real [N, F] and generated [M, F] samples in float64, and the samples.

    Only for metrics that say that they need them: class `logits` [M, K] of the generated samples,
    features of the training set [T, F] and of data held out from training [H, F].
    What several metrics work out alike is put down in `found`; what depends on the real features
    alone in `kept`, which a Scorer hands on to its next comparison.
    """

    real: Tensor
    fake: Tensor
    samples_fake: Tensor
    dataset: Dataset | None = None
    logits: Tensor | None = None
    train: Tensor | None = None
    held_out: Tensor | None = None
    found: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)


def once(store: dict[str, Any], name: str, work: Callable[[], Found]) -> Found:
    """What `work` returns, done only where the store has nothing of that name."""
    if name not in store:
        store[name] = work()
    found: Found = store[name]
    return found


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error where it has one, and what a reader must know of it.

    An error that takes long is a function: a checkpoint is chosen by values alone.
    """

    value: float
    error_of: float | Callable[[], float | None] | None = None
    flags: list[str] = field(default_factory=list)

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
