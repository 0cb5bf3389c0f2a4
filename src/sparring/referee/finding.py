"""What the referee reports."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong (or right) with a run, from which step on, and what to do."""

    code: str
    severity: Literal["info", "warning", "fatal"]
    step: int
    evidence: str
    advice: str

    def json(self) -> dict[str, Any]:
        return asdict(self)
