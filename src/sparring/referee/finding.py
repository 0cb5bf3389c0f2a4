"""What the referee reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["info", "warning", "fatal"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong (or right) with a run, from which step on, and what to do.

    `keys` are the recipe keys to change with the values to give them, None where the value is for
    the user to choose. The evidence is from step `step` to `until`. `resolved`: it was so once, and
    is not any more.
    """

    code: str
    severity: Severity
    step: int
    evidence: str
    advice: str
    keys: Mapping[str, Any] = field(default_factory=dict)
    until: int | None = None
    resolved: bool = False

    @property
    def changes(self) -> dict[str, Any]:
        """The keys that come with a value."""
        return {key: value for key, value in self.keys.items() if value is not None}

    def json(self) -> dict[str, Any]:
        return asdict(self) | {"keys": dict(self.keys)}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Finding:
        """One that was written down; what it has no place for is left out."""
        known = cls.__dataclass_fields__.keys()
        return cls(**{key: value for key, value in record.items() if key in known})
