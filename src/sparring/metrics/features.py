"""What samples are turned into before they are compared."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sparring.data import Dataset, to_network
from sparring.errors import InputError
from sparring.metrics.classifier import Classifier, shipped_classifier
from sparring.metrics.extractor import Extractor
from sparring.metrics.kept import digest_of
from sparring.metrics.own import own_features
from sparring.metrics.published import is_published, published_features
from sparring.metrics.random_features import random_features
from sparring.metrics.trained import shrunk, trained_classifier

__all__ = ["Extractor", "classifier_features", "find_extractor"]

CPU = torch.device("cpu")
OF_IMAGES = (
    "auto, classifier, trained, random, pixels, inception, vgg16, clip-*, dinov2-*, "
    "module:attribute"
)
OF_VECTORS = "auto, samples, module:attribute"
MAX_PIXELS = 16  # larger images are averaged down to this many pixels a side


def classifier_features(classifier: Classifier, name: str = "classifier") -> Extractor:
    """The 64 features before the classes."""
    return Extractor(
        name,
        "penultimate (64)",
        "none",
        lambda x: classifier.features(to_network(x, CPU)),
        classifier.head,
        key=f"classifier {digest_of(classifier.state_dict())}",
        of_floats=classifier.features,
    )


def _pixels(samples: Tensor) -> Tensor:
    x = samples.float() / 255
    if x.shape[-1] > MAX_PIXELS:
        x = interpolate(x, size=(MAX_PIXELS, MAX_PIXELS), mode="area")
    return x.flatten(1)


def trained_features(dataset: Dataset) -> Extractor:
    """Those of a classifier of the data's own classes; InputError for data without labels."""
    classifier, right, usual = trained_classifier(dataset)
    doubt = f"the classifier of these features is right on {right:.1%}: no better than guessing"
    size = shrunk(dataset.values[:1]).shape
    return Extractor(
        "trained",
        f"penultimate (64) of {classifier.classes} classes, "
        f"right on {right:.1%} of held-out images",
        "none" if size[1:] == dataset.shape else f"antialiased to {size[-2]}x{size[-1]}",
        lambda x: classifier.features(to_network(shrunk(x), CPU)),
        classifier.head,
        () if right > usual else (doubt,),
        f"trained {digest_of(classifier.state_dict())}",
    )


def find_extractor(name: str, dataset: Dataset, weights: str | Path | None = None) -> Extractor:
    """The extractor of a recipe for samples like those of a data set.

    `weights` is the file of a published network, which is downloaded otherwise. Raises InputError
    for features that do not suit the data, or whose network cannot be had.
    """
    shape, images = dataset.shape, dataset.is_images
    digits = shape == (1, 28, 28)
    if weights is not None and not is_published(name):
        raise InputError(
            f"features `{name}` take no file of weights",
            "leave the weights out, or choose features=inception, vgg16 or clip-*",
        )
    if name == "auto":
        name = "classifier" if digits else "pixels" if images else "samples"
    if name == "classifier":
        if not digits:
            raise InputError(
                f"features `classifier` reads grey 28x28 images, not samples of {shape}",
                "use features=pixels",
            )
        return classifier_features(shipped_classifier())
    if name == "random" and images:
        return random_features(shape)
    if name == "trained":
        return trained_features(dataset)
    if is_published(name):
        return published_features(name, shape, None if weights is None else Path(weights))
    if name == "pixels" and images:
        shrinks = shape[-1] > MAX_PIXELS
        return Extractor(
            "pixels",
            "grey levels in [0, 1]",
            f"area to {MAX_PIXELS}x{MAX_PIXELS}" if shrinks else "none",
            _pixels,
            of_floats=lambda x: _pixels((x + 1) * 127.5),
        )
    if name == "samples" and not images:
        return Extractor("samples", "as they are", "none", lambda x: x, of_floats=lambda x: x)
    if ":" in name:
        return own_features(name, dataset)
    raise InputError(
        f"there are no features `{name}` for samples of shape {shape}",
        f"choose one of: {OF_IMAGES if images else OF_VECTORS}",
    )
