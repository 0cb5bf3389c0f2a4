"""What turns samples into features, with the words and the key of where they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.errors import InputError
from sparring.metrics.waiting import waiting


@dataclass(frozen=True)
class Extractor:
    """Samples [N, ...] to features [N, F] in float64, with the words for their provenance.

    `flags` stand in every record. `key` names the function's contents, so that features can be
    kept; without one they never are. `part` samples are looked at together.
    """

    name: str
    layer: str
    resize: str
    function: Callable[[Tensor], Tensor]
    classify: Callable[[Tensor], Tensor] | None = None  # features to class logits [N, K]
    flags: tuple[str, ...] = ()
    key: str = ""
    part: int = 500
    of_floats: Callable[[Tensor], Tensor] | None = None  # of images in [-1, 1] that are not rounded

    def __call__(self, samples: Tensor) -> Tensor:
        """The features of all samples."""
        return self.of(samples.split(self.part), len(samples))

    @torch.inference_mode()
    def of(self, samples: Iterable[Tensor], count: int) -> Tensor:
        """The features of so many samples, which come in parts."""
        features: Tensor | None = None
        done = 0
        for found in self.parts(samples, count):
            if features is None:
                features = found.new_empty((count, found.shape[1]), dtype=torch.float64)
            features[done : done + len(found)] = found
            done += len(found)
        assert features is not None
        return features

    @torch.inference_mode()
    def parts(self, samples: Iterable[Tensor], count: int) -> Iterator[Tensor]:
        """The features of so many samples, part by part: all may be larger than memory."""
        with waiting(f"{self.name} features of {count:,} samples", count) as advance:
            for part in samples:
                yield self.function(part)
                advance(len(part))

    @torch.inference_mode()
    def logits(self, features: Tensor) -> Tensor:
        """Class logits [N, K] in float64 of what this extractor made."""
        assert self.classify is not None
        return torch.cat([self.classify(part.float()).double() for part in features.split(500)])


def finite(features: Tensor, name: str) -> Tensor:
    """The features on the CPU; InputError where some are NaN or infinite."""
    if not features.isfinite().all():
        raise InputError(
            f"features `{name}` are not finite for some samples",
            "check the weights of its network, or choose other features",
        )
    return features.cpu()
