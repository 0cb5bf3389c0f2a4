"""Features to statistics to metrics, one file a metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor

from sparring.data import Dataset
from sparring.errors import InputError
from sparring.lookup import find
from sparring.metrics.features import Extractor, find_extractor
from sparring.metrics.fid import fid
from sparring.metrics.kid import kid
from sparring.metrics.modes import modes
from sparring.metrics.record import Comparison, Estimate, Record

__all__ = ["METRICS", "Comparison", "Estimate", "Record", "Scorer", "check_metrics"]


class Metric(NamedTuple):
    """A metric and which way is better."""

    function: Callable[[Comparison], Estimate]
    higher_is_better: bool = False
    needs_modes: bool = False


METRICS: dict[str, Metric] = {
    "fid": Metric(fid),
    "kid": Metric(kid),
    "modes": Metric(modes, higher_is_better=True, needs_modes=True),
}


def check_metrics(names: Sequence[str], features: str, dataset: Dataset) -> None:
    """Raise InputError for a metric or features that do not suit the data, before they are due."""
    for name in names:
        metric = _find(name)
        if metric.needs_modes and dataset.modes is None:
            raise InputError(
                f"metric `{name}` needs data with known modes",
                "leave it out of evaluation.metrics, or train on ring, grid or patterns",
            )
    find_extractor(features, dataset.shape)


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

    def score(self, samples: Tensor, metrics: Sequence[str], seed: int = 0) -> dict[str, Record]:
        """A record for each named metric of samples [N, ...] like those of the data set."""
        chosen = {name: _find(name) for name in metrics}
        if tuple(samples.shape[1:]) != self.dataset.shape:
            raise InputError(
                f"samples of shape {tuple(samples.shape[1:])} cannot be compared with data of "
                f"shape {self.dataset.shape}",
                "give data of the same size and channels with --data",
            )
        if len(samples) < 2:
            raise InputError(f"{len(samples)} samples cannot be scored", "give at least 2")
        comparison = Comparison(self.real, self.extractor(samples), samples, self.dataset)
        estimates = {name: metric.function(comparison) for name, metric in chosen.items()}
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
            for name, estimate in estimates.items()
        }
