"""The address of an image: a version, a seed, a label and a truncation name it for ever."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from sparring.serving.refusal import Headers, not_found, out_of_range
from sparring.serving.shelf import Shelf
from sparring.serving.version import Version

MOST_SEED = 2**53 - 1  # what JSON of every language can hold
SEED = re.compile(r"0|[1-9][0-9]{0,15}")  # one spelling for each, so that caches know it again
NUMBER = re.compile(r"[0-9]*\.?[0-9]+([eE][+-]?[0-9]{1,3})?|[0-9]+\.")
LONGEST = 1000  # characters of a query


class Address(NamedTuple):
    """`label` None: the one that the seed draws, as in `sparring sample`.

    `key` is the ETag, and the image's name in both caches: another ONNX Runtime or zlib may make
    other bytes, so it says what made it as well.
    """

    version: Version
    seed: int
    label: int | None = None
    truncation: float = 1.0

    @property
    def key(self) -> str:
        label = "-" if self.label is None else self.label
        version = self.version
        return f"{version.id}/{self.seed}/{label}/{self.truncation!r}/{version.made_by}"


def parse(shelf: Shelf, ref: str, file: str, query: bytes) -> Address:
    """The address of `/v1/models/REF/images/FILE?QUERY`; Refusal for what is none."""
    version = shelf.find(ref)
    if not file.endswith(".png"):
        raise not_found("an image is called SEED.png")
    number = parse_seed(file.removesuffix(".png"))
    if not version.is_images:
        raise out_of_range(f"{version.name} makes vectors, not images; see generate")
    if not query:
        return Address(version, number)
    asked = parse_query(query)
    return Address(
        version,
        number,
        version.label(asked["label"]) if "label" in asked else None,
        parse_truncation(version, asked.get("truncation", "1")),
    )


def parse_seed(text: str) -> int:
    if not SEED.fullmatch(text) or int(text) > MOST_SEED:
        raise out_of_range(f"seed: {text[:40]!r} is no number from 0 to {MOST_SEED}")
    return int(text)


def parse_query(query: bytes) -> Mapping[str, str]:
    """`label` and `truncation`, each at most once."""
    if len(query) > LONGEST:
        raise out_of_range(f"the query is longer than {LONGEST} characters")
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    asked = dict(pairs)
    if others := asked.keys() - {"label", "truncation"}:
        raise out_of_range(f"{min(others)[:40]!r} is unknown here; there are label and truncation")
    if len(asked) < len(pairs):
        raise out_of_range("label and truncation are given once")
    return asked


def parse_truncation(version: Version, text: str) -> float:
    if not NUMBER.fullmatch(text) or not 0 <= float(text) <= 1:
        raise out_of_range(f"truncation: {text[:40]!r} is no number from 0 to 1")
    return check_truncation(version, float(text))


def check_truncation(version: Version, value: float) -> float:
    if value != 1 and not version.can_truncate:
        raise out_of_range(f"truncation: {version.name} cannot be truncated")
    return value


def cache_headers(etag: str, pinned: bool, private: bool) -> Headers:
    """For ever where the address names a version, else until the current one may have changed."""
    scope = b"private" if private else b"public"
    age = b", max-age=31536000, immutable" if pinned else b", max-age=10"
    return [(b"etag", f'"{etag}"'.encode()), (b"cache-control", scope + age)]


def is_known(etag: str, if_none_match: bytes) -> bool:
    """Whether the client has this already."""
    tags = if_none_match.decode("latin-1").split(",")
    return any(tag.strip().removeprefix("W/").strip('"') in (etag, "*") for tag in tags)
