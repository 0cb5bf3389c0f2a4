"""The versions that are served, by name; the last one given of a name is the current one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sparring.metrics import METRICS
from sparring.serving.refusal import not_found
from sparring.serving.version import Version

LIKE = ("features", "layer", "resize", "split", "samples_real", "samples_fake")
CHANCE = 1.96  # standard errors


class Shelf:
    """Versions in the order they were given; one given twice is where it was given last.

    Serving an older version as the last of its name is a rollback: `NAME` means it from then on,
    and what was current stays there under its own version.
    """

    def __init__(self, versions: Sequence[Version]) -> None:
        self._by_ref: dict[str, Version] = {}
        self._current: dict[str, Version] = {}
        for version in versions:
            version = self._by_ref.pop(version.ref, version)
            if before := self._current.get(version.name):
                version.warnings = worse(version, before)
            self._by_ref[version.ref] = self._current[version.name] = version

    @property
    def versions(self) -> list[Version]:
        return list(self._by_ref.values())

    def find(self, ref: str) -> Version:
        """The version that NAME@VERSION means, or NAME alone; Refusal where there is none."""
        found = self._by_ref.get(ref) or self._current.get(ref)
        if found is None:
            raise not_found(f"there is no model {ref[:80]!r}; GET /v1/models lists them")
        return found

    def is_current(self, version: Version) -> bool:
        return self._current[version.name] is version


def worse(new: Version, old: Version) -> list[str]:
    """What the scores of `new` are worse in than those of `old`, by more than chance.

    Only records of the same features and numbers of samples are compared.
    """
    found = []
    for metric in METRICS.keys() & new.scores.keys() & old.scores.keys():
        a, b = new.scores[metric], old.scores[metric]
        if any(a.get(key) != b.get(key) for key in LIKE) or not _finite(a, b):
            continue
        loss = b["value"] - a["value"]
        if not METRICS[metric].higher_is_better:
            loss = -loss
        if loss > CHANCE * math.hypot(a.get("error") or 0.0, b.get("error") or 0.0):
            found.append(
                f"{new.ref} scores worse than {old.ref}, which it replaces: "
                f"{metric} {a['value']:.4g} instead of {b['value']:.4g}"
            )
    return sorted(found)


def _finite(*records: Mapping[str, Any]) -> bool:
    values = [record.get("value") for record in records]
    return all(isinstance(one, int | float) and math.isfinite(one) for one in values)
