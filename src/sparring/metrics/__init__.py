"""Features to statistics to metrics, one file a metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from torch import Tensor

from sparring.data import Dataset
from sparring.errors import InputError
from sparring.lookup import find
from sparring.metrics.copies import memorization, two_sample
from sparring.metrics.features import Extractor, find_extractor
from sparring.metrics.fid import fid
from sparring.metrics.inception_score import inception_score
from sparring.metrics.kid import kid
from sparring.metrics.modes import modes
from sparring.metrics.neighbours import coverage, density, precision, recall
from sparring.metrics.record import Comparison, Estimate, Record
from sparring.metrics.vectors import moments, wasserstein

__all__ = ["METRICS", "Comparison", "Estimate", "Record", "Scorer", "check_metrics"]


class Metric(NamedTuple):
    """A metric, which way is better, and what it cannot do without: keys of NEEDS."""

    function: Callable[[Comparison], Estimate]
    higher_is_better: bool = False
    needs: tuple[str, ...] = ()


METRICS: dict[str, Metric] = {
    "fid": Metric(fid),
    "kid": Metric(kid),
    "is": Metric(inception_score, higher_is_better=True, needs=("classes",)),
    "precision": Metric(precision, higher_is_better=True),
    "recall": Metric(recall, higher_is_better=True),
    "density": Metric(density, higher_is_better=True),
    "coverage": Metric(coverage, higher_is_better=True),
    "two-sample": Metric(two_sample),
    "memorization": Metric(memorization, needs=("training set",)),
    "modes": Metric(modes, higher_is_better=True, needs=("known modes",)),
    "wasserstein": Metric(wasserstein, needs=("vectors",)),
    "moments": Metric(moments, needs=("vectors",)),
}

# What a metric may need: whether data and features have it, and where it is to be had.
NEEDS: dict[str, tuple[Callable[[Dataset, Extractor], bool], str]] = {
    "classes": (lambda data, features: features.classify is not None, "features=classifier"),
    "training set": (lambda data, features: len(data.splits["train"]) > 1, "data with splits"),
    "known modes": (lambda data, features: data.modes is not None, "ring, grid or patterns"),
    "vectors": (lambda data, features: not data.is_images, "gaussian, ring or grid"),
}


def check_metrics(names: Sequence[str], features: str, dataset: Dataset) -> None:
    """Raise InputError for a metric or features that do not suit the data, before they are due."""
    extractor = find_extractor(features, dataset.shape)
    for name in names:
        _check_needs(name, _find(name), dataset, extractor)


def _check_needs(name: str, metric: Metric, dataset: Dataset, extractor: Extractor) -> None:
    for need in metric.needs:
        has, where = NEEDS[need]
        if not has(dataset, extractor):
            raise InputError(
                f"metric `{name}` needs {need}, which data `{dataset.name}` with features "
                f"`{extractor.name}` has not",
                f"leave it out of the metrics, or choose {where}",
            )


def _find(name: str) -> Metric:
    found = find(METRICS, name, "metrics")
    if not isinstance(found, Metric):
        raise InputError(f"metrics: `{name}` is no metric", "make it a sparring.metrics.Metric")
    return found


class Scorer:
    """Scores generated samples against one split of a data set, whose features it keeps."""

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        features: str = "auto",
        extractor: Extractor | None = None,
    ) -> None:
        self.dataset = dataset
        self.split = split
        self.extractor = extractor or find_extractor(features, dataset.shape)
        samples = dataset.values if split == "all" else dataset.split(split)
        self.real = self.extractor(samples)
        self._kept: dict[str, Any] = {}

    def score(self, samples: Tensor, metrics: Sequence[str], seed: int = 0) -> dict[str, Record]:
        """A record for each named metric of samples [N, ...] like those of the data set."""
        return {
            name: Record(
                estimate.value,
                estimate.error,
                self.extractor.name,
                self.extractor.layer,
                self.extractor.resize,
                len(self.real),
                len(samples),
                seed,
                self.split,
                estimate.flags,
            )
            for name, estimate in self.estimates(samples, metrics).items()
        }

    def estimates(self, samples: Tensor, metrics: Sequence[str]) -> dict[str, Estimate]:
        """The bare values, as they choose a checkpoint; their errors are not computed yet."""
        chosen = {name: _find(name) for name in metrics}
        if tuple(samples.shape[1:]) != self.dataset.shape:
            raise InputError(
                f"samples of shape {tuple(samples.shape[1:])} cannot be compared with data of "
                f"shape {self.dataset.shape}",
                "give data of the same size and channels with --data",
            )
        if len(samples) < 2:
            raise InputError(f"{len(samples)} samples cannot be scored", "give at least 2")
        for name, metric in chosen.items():
            _check_needs(name, metric, self.dataset, self.extractor)
        needed = {need for metric in chosen.values() for need in metric.needs}
        seen = self._train_and_held_out if "training set" in needed else (None, None)
        fake = self.extractor(samples)
        comparison = Comparison(
            self.real,
            fake,
            samples,
            self.dataset,
            self.extractor.logits(fake) if "classes" in needed else None,
            train=seen[0],
            held_out=seen[1],
            kept=self._kept,
        )
        return {name: metric.function(comparison) for name, metric in chosen.items()}

    @cached_property
    def _train_and_held_out(self) -> tuple[Tensor, Tensor]:
        """Features of what generators were trained on, and of what none was."""
        held_out = self.extractor(self.dataset.split("test")) if self.split == "all" else self.real
        return self.extractor(self.dataset.split("train")), held_out
