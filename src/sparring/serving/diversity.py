"""Whether the samples of a batch are as different from each other as they should be."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

LEAST = 8  # samples of which a spread says anything
LOW = 0.5  # of the version's own spread
COLUMNS = 4096  # values of each sample at a time: in float64 all of them may be gigabytes


class Diversity(NamedTuple):
    """`share` of the spread that the version's samples usually have; `repeated`: samples that are
    byte for byte one of the others."""

    share: float
    repeated: int

    @property
    def is_low(self) -> bool:
        return self.share < LOW


def diversity(samples: npt.NDArray[Any], spread: float) -> Diversity | None:
    """Of samples [N, ...], beside the mean distance `spread`; None of too few."""
    if len(samples) < LEAST:
        return None
    repeated = len(samples) - len({sample.tobytes() for sample in samples})
    return Diversity(mean_distance(samples) / spread if spread else 0.0, repeated)


def mean_distance(samples: npt.NDArray[Any]) -> float:
    """The root mean squared distance of two different samples of [N, ...]."""
    count = len(samples)
    flat = samples.reshape(count, -1)
    if count < 2:
        return 0.0
    # The mean over all pairs needs no pairs: it is twice the variance.
    parts = (flat[:, at : at + COLUMNS] for at in range(0, flat.shape[1], COLUMNS))
    total = sum(part.astype(np.float64).var(axis=0, ddof=1).sum() for part in parts)
    return float(np.sqrt(2 * total))
