"""The good news: said of 1-D runs when, and only when, a fresh test cannot tell them from data."""

from __future__ import annotations

import json
from typing import Any

import torch

import sparring
from benchmarks import common
from benchmarks.referee.outcome import FIRST_SEED
from benchmarks.referee.settings import Setting
from benchmarks.referee.training import trained
from sparring.data import Dataset, open_data
from sparring.metrics import Scorer
from sparring.recipe import Data
from sparring.run import RunFolder

CODE = "near-equilibrium"
SAMPLES = 5000
ERRORS = 2.0  # standard errors around one half that count as one half
# Runs that get there, runs that are on the way, runs that never will.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "recipe": ("as-is", {"steps": 3000, "batch_size": 512}),
    "two thirds": ("as-is", {}),
    "small batches": ("small-batch", {}),
    "a tenth": ("as-is", {"steps": 300}),
    "a twentieth": ("as-is", {"steps": 150}),
    "rates x 0.03": ("lr-low", {}),
    "rates x 30": ("lr-high", {}),
    "within one": ("within-one", {}),
    "frozen": ("frozen-g", {}),
}
SEEDS = 3


def equilibrium(quick: bool) -> dict[str, Any]:
    """Each kind over the seeds: the two-sample test's accuracy, and what the referee says."""
    data = open_data(Data(name="gaussian"))
    rows = []
    for kind in KINDS:
        for seed in range(1 if quick else SEEDS):
            rows.append(row(kind, seed, data, quick))
            print(rows[-1], flush=True)
    agreed = sum(one["says so"] == one["alike"] for one in rows)
    goals = [common.goal("runs where both say the same", agreed, len(rows), at_least=True)]
    settings = {"samples": SAMPLES, "alike": f"within {ERRORS:g} standard errors of one half"}
    return {"settings": settings, "rows": rows, "goals": goals}


def row(kind: str, seed: int, data: Dataset, quick: bool) -> dict[str, Any]:
    way, keys = KINDS[kind]
    keys = {"steps": 60} if quick else keys
    setting = Setting("numbers", way, "numbers/as-is")
    with common.scratch() as folder:
        trained(setting, seed, folder / "run", **ticked(keys))
        run = RunFolder(folder / "run")
        said = json.loads(run.findings.read_text())
        samples = sparring.sample(
            run.path, SAMPLES, FIRST_SEED, generator=setting.parts(seed).get("generator")
        )
    accuracy, error = two_sample(samples, data)
    return {
        "run": kind,
        "seed": seed,
        "accuracy": round(accuracy, 4),
        "error": round(error, 4),
        "alike": abs(accuracy - 0.5) <= ERRORS * error,
        "says so": any(
            finding["code"] == CODE and not finding["resolved"] for finding in said["findings"]
        ),
        "verdict": said["verdict"],
    }


def ticked(keys: dict[str, Any]) -> dict[str, Any]:
    """As many ticks as the other runs of this benchmark have."""
    return keys | ({"tick": max(1, keys["steps"] // 40)} if "steps" in keys else {})


def two_sample(samples: torch.Tensor, data: Dataset) -> tuple[float, float]:
    """The accuracy of a fresh classifier on real and generated numbers, and its standard error."""
    if not samples.isfinite().all():
        return 1.0, 0.0
    found = Scorer(data, "test").estimates(samples, ["two-sample"])["two-sample"]
    assert isinstance(found.error, float)
    return found.value, found.error
