"""Runs that a change of keys can save, with `referee.action=rescue` and nobody there."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.referee.settings import SETTINGS, Setting
from benchmarks.referee.training import trained
from benchmarks.referee.truth import truth

WITHIN, GOAL = 1.2, 0.7
LONGER = 2  # times the steps of the record: a saved run has to have time left to train
SEEDS = (0, 1, 2)
# Broken by keys alone, so that keys can mend them.
SAVABLE = (
    "digits/lr-high",
    "mlp/lr-high",
    "numbers/lr-high",
    "mlp/d-strong",
    "digits/d-strong",
    "ring/g-strong",
    "numbers/beta1",
    "ring/beta1",
    "mlp/saturating",
    "numbers/unbounded",
    "mlp/lr-low",
    "ring/lr-low",
    "ring/d-slow",
    "numbers/heavy-penalty",
)

Row = dict[str, Any]


def rescue(quick: bool) -> dict[str, Any]:
    """Each of them with and without; the share of the ill ones that ends near the healthy run."""
    rows: list[Row] = []
    healthy: dict[str, list[Row]] = {}
    names = SAVABLE[:2] if quick else SAVABLE
    for name in names:
        setting = SETTINGS[name]
        if setting.reference not in healthy:
            healthy[setting.reference] = [
                outcome(SETTINGS[setting.reference], seed, "warn", quick) for seed in SEEDS
            ]
        for seed in SEEDS:
            rows.append(row(setting, seed, healthy[setting.reference], quick))
            print(rows[-1], flush=True)
    ill = [one for one in rows if one["ended without"] == "unhealthy"]
    saved = sum(one["saved"] for one in ill) / len(ill) if ill else float("nan")
    settings = {"steps": f"{LONGER} times those of the record", "within": f"{WITHIN:g} times"}
    what = f"share of {len(ill)} broken runs that end within 20% of the healthy distance"
    goals = [common.goal(what, round(saved, 3), GOAL, at_least=True)]
    return {"settings": settings, "rows": rows, "goals": goals}


def row(setting: Setting, seed: int, healthy: list[Row], quick: bool) -> Row:
    alone = outcome(setting, seed, "warn", quick)
    helped = outcome(setting, seed, "rescue", quick)
    usual = float(np.median([one["distance"] for one in healthy]))
    distance = helped["distance"] if helped["finite"] else float("inf")
    return {
        "setting": setting.name,
        "seed": seed,
        "healthy": rounded(usual),
        "without": rounded(alone["distance"]) if alone["finite"] else None,
        "ended without": truth(alone, healthy).verdict,
        "with rescue": rounded(distance) if helped["finite"] else None,
        "saved": bool(distance <= WITHIN * usual),
    }


def outcome(setting: Setting, seed: int, action: str, quick: bool) -> Row:
    steps = 40 if quick else LONGER * setting.overrides(seed)["steps"]
    keys = {"steps": steps, "tick": max(1, steps // 40), "referee.action": action}
    with common.scratch() as folder:
        return dict(trained(setting, seed, folder / "run", **keys)["outcome"])


def rounded(value: float) -> float:
    return float(f"{value:.3g}")
