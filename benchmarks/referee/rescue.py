"""Runs that a change of keys can save, with `referee.action=rescue` and nobody there."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch

from benchmarks import common
from benchmarks.referee.settings import SETTINGS, Setting
from benchmarks.referee.training import trained
from benchmarks.referee.truth import truth
from sparring.machine import cores

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

ACTIONS = ("warn", "rescue")

Row = dict[str, Any]
Job = tuple[str, int, str]  # a setting, a seed, an action


def rescue(quick: bool) -> dict[str, Any]:
    """Each of them with and without; the share of the ill ones that ends near the healthy run."""
    names = SAVABLE[:2] if quick else SAVABLE
    references = dict.fromkeys(SETTINGS[name].reference for name in names)
    jobs = [(name, seed, "warn") for name in references for seed in SEEDS]
    jobs += [(name, seed, action) for name in names for seed in SEEDS for action in ACTIONS]
    with ProcessPoolExecutor(
        cores(), get_context("spawn"), torch.set_num_threads, (1,)
    ) as pool:  # each run is so small that two threads gain it little
        outcomes = dict(zip(jobs, pool.map(outcome, jobs, [quick] * len(jobs)), strict=True))
    rows = [row(SETTINGS[name], seed, outcomes) for name in names for seed in SEEDS]
    ill = [one for one in rows if one["ended without"] == "unhealthy"]
    saved = sum(one["saved"] for one in ill) / len(ill) if ill else float("nan")
    settings = {"steps": f"{LONGER} times those of the record", "within": f"{WITHIN:g} times"}
    what = f"share of {len(ill)} broken runs that end within 20% of the healthy distance"
    goals = [common.goal(what, round(saved, 3), GOAL, at_least=True)]
    return {"settings": settings, "rows": rows, "goals": goals}


def row(setting: Setting, seed: int, outcomes: dict[Job, Row]) -> Row:
    healthy = [outcomes[setting.reference, other, "warn"] for other in SEEDS]
    alone, helped = (outcomes[setting.name, seed, action] for action in ACTIONS)
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


def outcome(job: Job, quick: bool) -> Row:
    """What comes of a setting and a seed under an action."""
    name, seed, action = job
    setting = SETTINGS[name]
    steps = 40 if quick else LONGER * setting.overrides(seed)["steps"]
    keys = {"steps": steps, "tick": max(1, steps // 40), "referee.action": action}
    with common.scratch() as folder:
        found = dict(trained(setting, seed, folder / "run", **keys)["outcome"])
    print(*job, found, flush=True)
    return found


def rounded(value: float) -> float:
    return float(f"{value:.3g}")
