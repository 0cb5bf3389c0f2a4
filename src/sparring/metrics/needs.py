"""What a metric may need beside samples, and the one sentence that is said where it lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from sparring.data import Dataset
from sparring.errors import InputError
from sparring.metrics.features import Extractor


class There(NamedTuple):
    """What is there: data, features, and whether labels, the generator and what the samples should
    be came with them."""

    data: Dataset
    features: Extractor
    labels: bool
    generator: bool
    pairs: bool


class Need(NamedTuple):
    """Whether it is met, where it is to be had, and who lacks it if not the data."""

    met: Callable[[There], bool]
    where: str
    lacking: str = ""


NEEDS: dict[str, Need] = {
    "classes": Need(lambda there: there.features.classify is not None, "features=classifier"),
    "training set": Need(lambda there: len(there.data.splits["train"]) > 1, "data with splits"),
    "known modes": Need(
        lambda there: there.data.modes is not None, "ring, grid, patterns or stacked-mnist"
    ),
    "vectors": Need(lambda there: not there.data.is_images, "gaussian, ring or grid"),
    "labelled data": Need(lambda there: there.data.labels is not None, "data with labels"),
    "labels": Need(
        lambda there: there.labels,
        "samples of a class-conditional generator, as an npz with `labels`",
        "the generated samples have not",
    ),
    "a generator": Need(
        lambda there: there.generator,
        "a run whose generator is given latents",
        "cannot be had from samples alone, nor where images are made of images",
    ),
    "pairs": Need(
        lambda there: there.pairs,
        "a run of pix2pix or srgan",
        "there are none of here",
    ),
}


def check_needs(metric: str, needs: Iterable[str], there: There) -> None:
    """Raise InputError for the first need that is not met."""
    for key in needs:
        need = NEEDS[key]
        if not need.met(there):
            lacking = need.lacking or (
                f"data `{there.data.name}` with features `{there.features.name}` has not"
            )
            raise InputError(
                f"metric `{metric}` needs {key}, which {lacking}",
                f"leave it out of the metrics, or choose {need.where}",
            )
