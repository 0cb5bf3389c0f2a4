"""What is wrong with a data set, before a GAN learns it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparring.data import audit_data


def audit(data: str | Path, fix: str | Path | None = None) -> dict[str, Any]:
    """Look for corrupt, tiny, oddly shaped, blank, blurred and duplicate samples, also held-out
    ones, and for rare classes.

    `data` is a name or a path. Returns samples (those that can be read), shape, classes (names and
    counts) and problems: code, count and examples of each. With `fix` a copy without these samples
    is written to that folder, which must not exist or be empty, and `fixed` is its path and
    samples; the original is never touched.
    """
    return audit_data(str(data), None if fix is None else Path(fix))
