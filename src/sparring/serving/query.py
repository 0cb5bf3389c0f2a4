"""What calls for pictures share: the types of their queries, and the address these mean."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from sparring.serving.address import MOST_SEED, Address, check_truncation
from sparring.serving.refusal import Answer, out_of_range
from sparring.serving.studio import Studio
from sparring.serving.version import Version

Truncation = Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)]
Label = Annotated[str | None, Query(max_length=200)]
Steps = Annotated[int, Query(ge=2, le=64)]
Reach = Annotated[float, Query(gt=0, le=10, allow_inf_nan=False)]
Count = Annotated[int, Query(ge=1, le=12)]


def of_images(studio: Studio, ref: str) -> Version:
    """The version that is meant; Refusal for one that makes vectors."""
    version = studio.shelf.find(ref)
    if not version.is_images:
        raise out_of_range(f"{version.name} makes vectors, not images")
    return version


def address_of(version: Version, seed: int, label: str | None, truncation: float) -> Address:
    """Refusal for a seed, label or truncation that this version has not."""
    if not 0 <= seed <= MOST_SEED:
        raise out_of_range(f"seed: {seed} is not from 0 to {MOST_SEED}")
    number = None if label is None else version.label(label)
    return Address(version, seed, number, check_truncation(version, truncation))


def label_at(address: Address) -> int:
    """The label that is given, or the one that the seed draws."""
    seeds = range(address.seed, address.seed + 1)
    _, labels = address.version.as_fed(address.version.inputs(seeds, address.label))
    return int(labels[0])


def response(answer: Answer) -> Response:
    found = Response(answer.body, answer.status)
    found.raw_headers += answer.headers
    return found
