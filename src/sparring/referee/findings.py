"""Each finding by its code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sparring.referee import nonfinite
from sparring.referee.facts import Facts
from sparring.referee.finding import Finding
from sparring.referee.look import Look

Find = Callable[[Facts, Sequence[Look]], Finding | None]

FINDINGS: dict[str, Find] = {
    "nonfinite": nonfinite.find,
}
