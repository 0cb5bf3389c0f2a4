"""Write docs/measured.md from the files in benchmarks/results, so that no figure is typed by hand.

python scripts/write_measured.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"

INTRODUCTION = """# Measured

Every figure here comes from a file in `benchmarks/results/`, which `python -m benchmarks.NAME`
wrote on a two-core machine without a GPU (native bf16); `python scripts/write_measured.py` made
this page from them. The machine is shared: each file says whether it was quiet, and a benchmark
that compares two programs lets them take turns. Goals that were missed are shown as such.
"""

ABOUT = {
    "digits": (
        "The default recipe",
        "Three seeds; 2,000 samples each, judged by a classifier trained with augmentation on the "
        "1,000 digits that no GAN trained on. Distances are to the nearest training image.",
    ),
    "fashion": (
        "The default against the tutorial on Fashion-MNIST",
        "The same seconds of training (evaluation excluded), 10,000 samples against the test set "
        "on the features of a classifier trained for it.",
    ),
    "toys": (
        "Data whose truth is known",
        "`gaussian-document` is the program of an introductory note as it is written; the "
        "others are recipes as shipped, and `ring` and `grid` without their penalties too.",
    ),
    "resume": (
        "Killed and resumed",
        "Runs killed by SIGKILL at random moments and resumed, against uninterrupted ones: every "
        "tensor, history line, picture and sample compared bit for bit.",
    ),
    "speed": (
        "Milliseconds a step",
        "Interleaved in one process: the package, a bare hand-written loop of the same "
        "operations, the tutorial's loop, and the package in fp32. Ratios are medians over rounds "
        "with 95% bootstrap bounds.",
    ),
}


def main() -> None:
    (ROOT / "docs" / "measured.md").write_text(page())


def page() -> str:
    """The page as the results stand now."""
    parts = [INTRODUCTION]
    for name, (title, about) in ABOUT.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            parts += [f"## {title}\n", about + "\n", *section(json.loads(path.read_text()))]
    return "\n".join(parts)


def section(result: Any, title: str = "") -> list[str]:
    """Tables of everything in a result that is a list of rows or a set of plain figures."""
    parts = []
    plain = {key: value for key, value in result.items() if is_plain(value)}
    if plain and title:
        parts += [table([plain])]
    for key, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            parts += [heading(title, key), table(value)]
        elif isinstance(value, dict) and key not in ("settings", "machine", "versions"):
            inner = f"{title} · {key}" if title else key
            deeper = section(value, inner)
            has_plain = any(is_plain(v) for v in value.values())
            parts += ([heading(title, key)] if has_plain else []) + deeper
    return parts


def heading(title: str, key: str) -> str:
    return f"**{f'{title} · {key}' if title else key}**\n"


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table of the plain values of rows."""
    keys = [key for key in rows[0] if any(is_plain(row.get(key)) for row in rows)]
    lines = [f"| {' | '.join(keys)} |", f"| {' | '.join('---' for _ in keys)} |"]
    lines += [f"| {' | '.join(said(row.get(key)) for key in keys)} |" for row in rows]
    return "\n".join(lines) + "\n"


def is_plain(value: Any) -> bool:
    return isinstance(value, int | float | str | bool)


def said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


if __name__ == "__main__":
    main()
