"""Features to statistics to metrics, one file a metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from sparring import ranks
from sparring.data import Dataset
from sparring.errors import InputError
from sparring.games import Game, Given, Prior, generate
from sparring.lookup import find
from sparring.metrics.cas import cas
from sparring.metrics.copies import memorization, two_sample
from sparring.metrics.curve import Curve, precision_recall_curve
from sparring.metrics.diversity import lpips
from sparring.metrics.features import Extractor, find_extractor
from sparring.metrics.fid import fid
from sparring.metrics.inception_score import inception_score
from sparring.metrics.kept import real_features
from sparring.metrics.kid import kid
from sparring.metrics.likeness import l1, psnr
from sparring.metrics.lpips import lpips_features, lpips_if_there
from sparring.metrics.modes import modes
from sparring.metrics.needs import There, check_needs
from sparring.metrics.neighbours import coverage, density, precision, recall
from sparring.metrics.path_length import perceptual_path_length, source
from sparring.metrics.published import is_published
from sparring.metrics.record import (
    Comparison,
    Estimate,
    Made,
    Provenance,
    Record,
    Source,
    once,
)
from sparring.metrics.vectors import moments, wasserstein

__all__ = [
    "METRICS",
    "Comparison",
    "Curve",
    "Estimate",
    "Made",
    "Record",
    "Scorer",
    "Source",
    "check_metrics",
    "lpips_features",
    "made_by",
    "made_of",
    "need_labels",
    "source",
]

# Bytes of the training set's features that are kept; of more they are made when they are needed.
MOST_KEPT = 800_000_000
ROWS = 4096  # of them at a time


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
    "lpips": Metric(lpips, higher_is_better=True),
    "ppl": Metric(perceptual_path_length, needs=("a generator",)),
    "two-sample": Metric(two_sample),
    "cas": Metric(cas, higher_is_better=True, needs=("labelled data", "labels")),
    "memorization": Metric(memorization, needs=("training set",)),
    "modes": Metric(modes, higher_is_better=True, needs=("known modes",)),
    "wasserstein": Metric(wasserstein, needs=("vectors",)),
    "moments": Metric(moments, needs=("vectors",)),
    "l1": Metric(l1, needs=("pairs",)),
    "psnr": Metric(psnr, higher_is_better=True, needs=("pairs",)),
}


def check_metrics(
    names: Sequence[str],
    features: str,
    dataset: Dataset,
    weights: str | None = None,
    labels: bool = False,
) -> None:
    """Raise InputError for a metric or features that do not suit a run, before they are due.

    `labels`: whether its generator is class-conditional.
    """
    folder = weights is not None and Path(weights).is_dir()
    extractor = find_extractor(features, dataset, None if folder else weights)
    for name in names:
        there = There(dataset, extractor, labels, dataset.source is None, bool(dataset.pairs))
        check_needs(name, _find(name).needs, there)


def need_labels(names: Sequence[str]) -> bool:
    """Whether any of the metrics looks at the labels of generated samples."""
    return any("labels" in _find(name).needs for name in names)


def _find(name: str) -> Metric:
    found = find(METRICS, name, "metrics")
    if not isinstance(found, Metric):
        raise InputError(f"metrics: `{name}` is no metric", "make it a sparring.metrics.Metric")
    return found


class Scorer:
    """Scores generated samples against one split of a data set, whose features it keeps.

    `weights` is the file of the features' network, or a folder with the two files of LPIPS, which
    `lpips` and `ppl` then use (see `lpips_features`).
    """

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        features: str = "auto",
        extractor: Extractor | None = None,
        weights: str | Path | None = None,
    ) -> None:
        self.dataset = dataset
        self.split = split
        folder = Path(weights) if weights is not None and Path(weights).is_dir() else None
        self.extractor = extractor or find_extractor(features, dataset, None if folder else weights)
        self.perceptual = lpips_if_there(folder)
        self.real = real_features(self.extractor, dataset, split)
        self._kept: dict[str, Any] = {}

    def score(
        self, made: Made | Tensor, metrics: Sequence[str], seed: int = 0
    ) -> dict[str, Record]:
        """A record for each named metric of samples [N, ...] like those of the data set."""
        made = _made(made)
        own = Provenance(self.extractor.name, self.extractor.layer, self.extractor.resize)
        return {
            name: Record(
                estimate.value,
                estimate.error,
                *(estimate.provenance or own),
                len(self.real),
                len(made.samples),
                seed,
                self.split,
                [*self.extractor.flags, *estimate.flags],
            )
            for name, estimate in self.estimates(made, metrics).items()
        }

    def estimates(self, made: Made | Tensor, metrics: Sequence[str]) -> dict[str, Estimate]:
        """The bare values, as they choose a checkpoint; their errors are not computed yet."""
        made = _made(made)
        chosen = {name: _find(name) for name in metrics}
        self._check_shape(made.samples)
        came = (made.labels is not None, made.generator is not None, made.wanted is not None)
        there = There(self.dataset, self.extractor, *came)
        for name, metric in chosen.items():
            check_needs(name, metric.needs, there)
        needed = {need for metric in chosen.values() for need in metric.needs}
        comparison = self._comparison(made, needed)
        return {name: metric.function(comparison) for name, metric in chosen.items()}

    def curve(self, made: Made | Tensor) -> Curve:
        """The precision-recall curve."""
        made = _made(made)
        self._check_shape(made.samples)
        return precision_recall_curve(self._comparison(made, set()))

    def _check_shape(self, samples: Tensor) -> None:
        if tuple(samples.shape[1:]) != self.dataset.shape:
            raise InputError(
                f"samples of shape {tuple(samples.shape[1:])} cannot be compared with data of "
                f"shape {self.dataset.shape}",
                "give data of the same size and channels with --data",
            )
        if len(samples) < 2:
            raise InputError(f"{len(samples)} samples cannot be scored", "give at least 2")

    def _comparison(self, made: Made, needed: set[str]) -> Comparison:
        memorizes = "training set" in needed
        fake = self.extractor(made.samples)
        return Comparison(
            self.real,
            fake,
            made.samples,
            self.dataset,
            self.extractor.logits(fake) if "classes" in needed else None,
            self._train if memorizes else None,
            self._held_out if memorizes else None,
            labels=made.labels,
            generator=made.generator,
            wanted=made.wanted,
            split=self.split,
            extractor=self.extractor,
            perceptual=self.perceptual,
            kept=self._kept,
        )

    @cached_property
    def _held_out(self) -> Tensor:
        """Features of what no generator was trained on."""
        return self.real if self.split != "all" else self._features_of("test")

    def _train(self) -> Iterable[Tensor]:
        """Features of what generators were trained on: kept where they are few or dear."""
        rows, extractor = self.dataset.splits["train"], self.extractor
        large = len(rows) * self._held_out[0].nbytes > MOST_KEPT
        if large and not is_published(extractor.name):
            return extractor.parts(self.dataset.parts(rows, extractor.part), len(rows))
        kept: Tensor = once(self._kept, "train", lambda: self._features_of("train"))
        return kept.split(ROWS)

    def _features_of(self, split: str) -> Tensor:
        return real_features(self.extractor, self.dataset, split)


def made_by(game: Game, player: str, network: nn.Module, seeds: range, split: str) -> Made:
    """What an averaged player of a game makes, to be scored on a split."""
    return made_of(network, game.given(player, split), seeds, game.makes(player).is_images)


def made_of(network: nn.Module, given: Given, seeds: range, images: bool) -> Made:
    """What a generator makes of inputs, with all that is known of them."""
    inputs = given.of(seeds)
    size = len(inputs.z)
    samples = ranks.rows(size, lambda own: generate(network, inputs.part(own), images))
    walked = source(network, given) if isinstance(given, Prior) else None
    return Made(samples, inputs.labels, walked, given.wanted(seeds))


def _made(made: Made | Tensor) -> Made:
    return Made(made) if isinstance(made, Tensor) else made
