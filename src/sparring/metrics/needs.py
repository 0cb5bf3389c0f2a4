"""What a metric may need beside samples, and the one sentence that is said where it lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from sparring.data import Dataset
from sparring.errors import InputError
from sparring.metrics.features import Extractor


class Given(NamedTuple):
    """What is there: data, features, and whether labels and generator came with the samples."""

    data: Dataset
    features: Extractor
    labels: bool
    generator: bool


class Need(NamedTuple):
    """Whether it is met, where it is to be had, and who lacks it if not the data."""

    met: Callable[[Given], bool]
    where: str
    lacking: str = ""


NEEDS: dict[str, Need] = {
    "classes": Need(lambda given: given.features.classify is not None, "features=classifier"),
    "training set": Need(lambda given: len(given.data.splits["train"]) > 1, "data with splits"),
    "known modes": Need(
        lambda given: given.data.modes is not None, "ring, grid, patterns or stacked-mnist"
    ),
    "vectors": Need(lambda given: not given.data.is_images, "gaussian, ring or grid"),
    "labelled data": Need(lambda given: given.data.labels is not None, "data with labels"),
    "labels": Need(
        lambda given: given.labels,
        "samples of a class-conditional generator, as an npz with `labels`",
        "the generated samples have not",
    ),
    "a generator": Need(
        lambda given: given.generator, "a run", "cannot be had from its samples alone"
    ),
}


def check_needs(metric: str, needs: Iterable[str], given: Given) -> None:
    """Raise InputError for the first need that is not met."""
    for key in needs:
        need = NEEDS[key]
        if not need.met(given):
            lacking = need.lacking or (
                f"data `{given.data.name}` with features `{given.features.name}` has not"
            )
            raise InputError(
                f"metric `{metric}` needs {key}, which {lacking}",
                f"leave it out of the metrics, or choose {need.where}",
            )
