"""The real pictures and the features that the metrics are tried on."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks import common
from benchmarks.fashion import fashion_mnist
from sparring.data import Dataset
from sparring.metrics.classifier import accuracy
from sparring.metrics.features import Extractor, classifier_features

SEEN, EPOCHS, WIDTH = 20_000, 2, 16
WORDS = {
    "data": "Fashion-MNIST, 28x28 grey",
    "features": f"64, of a classifier trained on {SEEN:,} pictures that are used for nothing else",
}


class Clothes(NamedTuple):
    """The 50,000 pictures that the classifier has not seen, in a random order fixed for ever."""

    images: Tensor
    labels: Tensor
    features: Tensor
    extractor: Extractor
    accuracy: float

    def dataset(self, train: slice, real: slice) -> Dataset:
        """A data set of two parts of the pictures: what GANs would see, and the reference."""
        every = torch.arange(len(self.images))
        splits = {"train": every[train], "select": every[real], "test": every[real]}
        kinds = tuple(map(str, range(int(self.labels.max()) + 1)))
        return Dataset("clothes", self.images, splits, self.labels, kinds)


@cache
def clothes() -> Clothes:
    """Pictures, labels and features; the classifier is kept between calls."""
    data = fashion_mnist()
    assert data.labels is not None
    order = torch.randperm(len(data.values), generator=torch.Generator().manual_seed(0))
    seen, unseen = order[:SEEN], order[SEEN:]
    classifier = common.cached_classifier(
        "clothes", data.values[seen], data.labels[seen], EPOCHS, WIDTH, augment=False
    )
    images, labels = data.values[unseen], data.labels[unseen]
    extractor = classifier_features(classifier, "clothes classifier")
    right = accuracy(classifier, images[:5000], labels[:5000])
    return Clothes(images, labels, kept_features(extractor, images), extractor, right)


def kept_features(extractor: Extractor, images: Tensor) -> Tensor:
    """Features [N, 64], computed once a machine."""
    path = common.cache() / f"clothes-features-torch{torch.__version__}.safetensors"
    if not path.exists():
        save_file({"features": extractor(images)}, path)
    return load_file(path)["features"]
