"""Trains a setting as the benchmark does: whole, but without report and pictures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from unittest import mock

import torch

import sparring
from benchmarks.referee.outcome import FIRST_SEED, SAMPLES, Outcome, measure
from benchmarks.referee.settings import BASES, Setting
from sparring.errors import StoppedByFinding
from sparring.recipes import load_recipe


def trained(setting: Setting, seed: int, out: Path, **keys: Any) -> dict[str, Any]:
    """Train a setting, with further keys of the recipe, and measure what came of it."""
    began = time.monotonic()
    stopped: str | None = None
    outcome: Outcome = {"finite": False}
    # They take seconds that no figure of this benchmark needs.
    with (
        mock.patch("sparring.session.write_report"),
        mock.patch("sparring.observers.record.snapshot_is_due", return_value=False),
    ):
        try:
            run = sparring.train(
                BASES[setting.base].recipe,
                out=out,
                overrides=setting.overrides(seed) | keys,
                **setting.parts(seed),
            )
            outcome = measure(*made_by(run), setting.true_data())
        except StoppedByFinding as stop:
            stopped = stop.message
    return {
        "setting": setting.name,
        "seed": seed,
        "stopped": stopped,
        "outcome": outcome,
        "seconds": round(time.monotonic() - began, 1),
    }


def made_by(run: sparring.Run) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Samples of the generator as it is at the end (no metric chose an earlier one), and the
    labels that they were made for."""
    classes = load_recipe(run.folder.recipe).generator.options().get("classes")
    if not classes:
        return run.sample(SAMPLES, FIRST_SEED), None
    each = SAMPLES // classes
    parts = [run.sample(each, FIRST_SEED, label=label) for label in range(classes)]
    return torch.cat(parts), torch.arange(classes).repeat_interleave(each)
