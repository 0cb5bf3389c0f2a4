"""A comparison as text and as a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

from sparring.metrics import Curve
from sparring.report import samples_picture
from sparring.run import write_text
from sparring.scoring import Entry


def told(answer: dict[str, Any]) -> str:
    """The answer of `compare` as lines of text."""
    lines = []
    for entry in answer["entries"]:
        seeds = f" ({entry['runs']} seeds)" if entry["runs"] > 1 else ""
        lines.append(f"{entry['name']}{seeds}")
        for name, record in entry["metrics"].items():
            lines.append(f"    {name:14}{number(record['value'], record['error'])}")
    lines.append("")
    for row in answer["differences"]:
        lines.append(
            f"{row['metric']:14}{row['a']} - {row['b']}: {row['difference']:.4g}  {verdict(row)}"
        )
    return "\n".join(lines)


def number(value: float, error: float | None) -> str:
    """A value with its standard error."""
    return f"{value:.4g}" + (f" ± {error:.2g}" if error is not None else "")


def verdict(row: dict[str, Any]) -> str:
    """What an interval says, in words."""
    if row["interval"] is None:
        return "no standard error, so nothing can be said of chance"
    low, high = row["interval"]
    words = "beyond chance" if row["beyond_chance"] else "could be chance"
    return f"[{low:.4g}, {high:.4g}]  {words}"


def write_comparison(path: Path, entries: Sequence[Entry], answer: dict[str, Any]) -> None:
    """One page: samples side by side, scores, and what the differences amount to."""
    environment = Environment(
        loader=PackageLoader("sparring", "."), autoescape=select_autoescape(default=True)
    )
    page = environment.get_template("comparison.html.j2").render(
        entries=answer["entries"],
        differences=answer["differences"],
        pictures=[_picture(entry) for entry in entries],
        curves=[entry.curve for entry in entries],
        points=points,
        number=number,
        verdict=verdict,
    )
    write_text(path, page)


def _picture(entry: Entry) -> str:
    """The samples of an entry as a data address."""
    assert entry.samples is not None
    buffer = io.BytesIO()
    samples_picture(entry.samples).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def points(curve: Curve) -> str:
    """The corners of a precision-recall curve in a square of 100: recall right, precision up."""
    across, up = 100 * curve.recall, 100 * (1 - curve.precision)
    corners = zip(across.tolist(), up.tolist(), strict=True)
    return " ".join(dict.fromkeys(f"{x:.1f},{y:.1f}" for x, y in corners))
