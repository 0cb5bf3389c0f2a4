"""Whether a run went wrong, judged by what came of it and not by what was done to it.

A run is compared with the reference of its setting: the same recipe, as it is, at the same length,
over all seeds. It is unhealthy if its distance to the data is beyond what chance gives there, if it
lost classes or modes, if it gives training images away, or if its images are not of the class that
was asked for. Near the bounds it is neither, and counts neither way (`between`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.referee.settings import SEEDS, SETTINGS

FACTOR, SPREADS = 2.0, 1.0  # of the reference's median distance, and of max - min over its seeds
MARGIN = 0.75  # healthy below this share of a bound, unhealthy above it, between in between
COVERED = 0.25  # of classes or modes fewer than the worst reference: lost
COPIES = 0.3  # a share of copies above the reference's
AGREEMENT = 0.6  # of the reference's share of images that are of the class asked for

Record = Mapping[str, Any]


class Truth(NamedTuple):
    """`healthy`, `unhealthy` or `between`, and the measure that says so."""

    verdict: str
    why: str

    @property
    def unhealthy(self) -> bool:
        return self.verdict == "unhealthy"


def truths(records: Sequence[Record]) -> list[Truth]:
    """The truth of each record; those of the references have to be among them."""
    by_setting: dict[str, list[Record]] = {}
    for record in records:
        if record["seed"] in SEEDS:
            by_setting.setdefault(record["setting"], []).append(record)
    return [
        truth(
            record["outcome"],
            [one["outcome"] for one in by_setting[SETTINGS[record["setting"]].reference]],
        )
        for record in records
    ]


def truth(outcome: Record, reference: Sequence[Record]) -> Truth:
    """The worst that any measure says, with its name."""
    if not outcome["finite"]:
        return Truth("unhealthy", "nothing finite is left")
    said = [
        ("distance", beyond(outcome["distance"], distance_bound(reference))),
        ("copies", beyond(outcome.get("copies", 0.0), copies_bound(reference))),
        ("covered", covering(outcome, reference)),
        ("agreement", agreeing(outcome, reference)),
    ]
    for verdict in ("unhealthy", "between"):
        for why, one in said:
            if one == verdict:
                return Truth(verdict, why)
    return Truth("healthy", "")


def beyond(value: float, bound: float) -> str:
    if value > bound:
        return "unhealthy"
    return "between" if value > MARGIN * bound else "healthy"


def distance_bound(reference: Sequence[Record]) -> float:
    values = [one["distance"] for one in reference if one["finite"]]
    return FACTOR * float(np.median(values)) + SPREADS * (max(values) - min(values))


def copies_bound(reference: Sequence[Record]) -> float:
    return max(one.get("copies", 0.0) for one in reference) + COPIES


def covering(outcome: Record, reference: Sequence[Record]) -> str:
    if "covered" not in outcome:
        return "healthy"
    missing = min(one["covered"] for one in reference) - outcome["covered"]
    if missing > COVERED * outcome["of"]:
        return "unhealthy"
    return "between" if missing > MARGIN * COVERED * outcome["of"] else "healthy"


def agreeing(outcome: Record, reference: Sequence[Record]) -> str:
    if "agreement" not in outcome:
        return "healthy"
    share = outcome["agreement"] / min(one["agreement"] for one in reference)
    if share < AGREEMENT:
        return "unhealthy"
    return "between" if share < AGREEMENT / MARGIN else "healthy"
