"""What samples are turned into before they are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sparring.data import to_network
from sparring.errors import InputError
from sparring.metrics.classifier import Classifier, shipped_classifier

MAX_PIXELS = 16  # larger images are averaged down to this many pixels a side


@dataclass(frozen=True)
class Extractor:
    """Samples [N, ...] to features [N, F] in float64, with the words for their provenance."""

    name: str
    layer: str
    resize: str
    function: Callable[[Tensor], Tensor]
    classify: Callable[[Tensor], Tensor] | None = None  # samples to class logits [N, K]

    def __call__(self, samples: Tensor) -> Tensor:
        return _in_parts(self.function, samples)

    def logits(self, samples: Tensor) -> Tensor:
        """Class logits [N, K] in float64."""
        assert self.classify is not None
        return _in_parts(self.classify, samples)


def _in_parts(function: Callable[[Tensor], Tensor], samples: Tensor) -> Tensor:
    with torch.inference_mode():
        return torch.cat([function(part).double() for part in samples.split(500)])


def classifier_features(classifier: Classifier, name: str = "classifier") -> Extractor:
    """The 64 features before the classes."""
    cpu = torch.device("cpu")
    return Extractor(
        name,
        "penultimate (64)",
        "none",
        lambda x: classifier.features(to_network(x, cpu)),
        lambda x: classifier(to_network(x, cpu)),
    )


def _pixels(samples: Tensor) -> Tensor:
    x = samples.float() / 255
    if x.shape[-1] > MAX_PIXELS:
        x = interpolate(x, size=(MAX_PIXELS, MAX_PIXELS), mode="area")
    return x.flatten(1)


def find_extractor(name: str, shape: tuple[int, ...]) -> Extractor:
    """The extractor of a recipe for samples of `shape`; auto looks at what is known of them."""
    from sparring.metrics.random_features import random_features

    digits = shape == (1, 28, 28)
    images = len(shape) == 3
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
    if name == "pixels" and images:
        shrunk = shape[-1] > MAX_PIXELS
        return Extractor(
            "pixels",
            "grey levels in [0, 1]",
            f"area to {MAX_PIXELS}x{MAX_PIXELS}" if shrunk else "none",
            _pixels,
        )
    if name == "samples" and not images:
        return Extractor("samples", "as they are", "none", lambda x: x)
    raise InputError(
        f"there are no features `{name}` for samples of shape {shape}",
        "choose one of: auto, classifier, random, pixels (images), samples (vectors)",
    )
