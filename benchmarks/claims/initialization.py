"""Claim: DCGANs need weights from N(0, 0.02); Xavier or He can make them diverge."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

import sparring
from benchmarks import common, drawing
from benchmarks.drawing import look
from benchmarks.toys import FIRST_SEED
from sparring.data import open_data
from sparring.errors import StoppedByFinding
from sparring.recipe import Data
from sparring.recipes import load_recipe

STARTS = {"normal": "N(0, 0.02)", "xavier": "Xavier", "he": "He", "default": "PyTorch's own"}
COLORS = dict(zip(STARTS, (look.BLUE, look.GREEN, look.VERMILION, look.ORANGE), strict=True))
WIDTH, STEPS, SEEDS = 16, 400, 3
SAMPLES = 2000
COLLAPSED = 0.5  # of the variety of real images

Row = dict[str, Any]


def measure(quick: bool) -> Row:
    """The recipe dcgan, thin, from four starts."""
    steps, seeds = (40, 1) if quick else (STEPS, SEEDS)
    settings = {
        "steps": steps,
        "generator.width": WIDTH,
        "discriminator.width": WIDTH,
        "evaluation.every": steps * 8,
    }
    histories: dict[tuple[str, int], list[Row]] = {}
    runs = []
    for start in STARTS:
        for seed in range(seeds):
            run, histories[start, seed] = one_run(start, settings | {"seed": seed})
            print(run, flush=True)
            runs.append(run)
    return {
        "settings": {
            "recipe": "dcgan",
            "data": "mnist5k, 28x28: two doublings only, so shallower than the paper's 64x64",
            "overrides": settings,
            "batch_size": load_recipe("dcgan").batch_size,
            "variety": "mean distance between generated images over that between real ones",
            "failed": f"not finite, or a variety under {COLLAPSED:g}",
            "samples": SAMPLES,
        },
        "runs": runs,
        "summary": (summed := summary(runs)),
        "outcome": outcome(summed),
        "picture": picture(histories, summed, quick),
    }


def one_run(start: str, overrides: Row) -> tuple[Row, list[Row]]:
    """One training: scores of the shipped model, variety, and whether it failed."""
    inits = {f"{player}.init": start for player in ("generator", "discriminator")}
    row: Row = {"start": STARTS[start], "seed": overrides["seed"]}
    with common.scratch() as folder:
        try:
            run = sparring.train("dcgan", out=folder / "run", overrides=overrides | inits)
        except StoppedByFinding:
            return row | {"kid": None, "fid": None, "variety": None, "failed": True}, []
        scores = run.evaluate(["kid", "fid"], SAMPLES)
        share = variety(run.sample(SAMPLES, seed=FIRST_SEED))
        history = run.folder.read_history()
    figures = {name: round(scores[name]["value"], 5) for name in ("kid", "fid")}
    return row | figures | {"variety": round(share, 3), "failed": share < COLLAPSED}, history


def variety(samples: Tensor) -> float:
    """Mean distance of pairs of samples over that of pairs of real images."""
    real = open_data(Data()).split("test")
    return mean_distance(samples) / mean_distance(real)


def mean_distance(images: Tensor) -> float:
    return torch.pdist(images[:500].flatten(1).float()).mean().item()


def summary(runs: list[Row]) -> list[Row]:
    """Per start: the middle and the range of KID, and the share of failed runs."""
    rows = []
    for start in STARTS.values():
        mine = [run for run in runs if run["start"] == start]
        kids = [run["kid"] for run in mine if run["kid"] is not None] or [float("nan")]
        rows.append(
            {
                "start": start,
                "kid": float(np.median(kids)),
                "kid_low": min(kids),
                "kid_high": max(kids),
                "failed": f"{sum(run['failed'] for run in mine)} of {len(mine)}",
            }
        )
    return rows


def outcome(summed: list[Row]) -> str:
    """The order the runs came out in, and what failed."""
    ordered = sorted(summed, key=lambda row: row["kid"])
    places = ", ".join(
        f"{row['start']} {row['kid']:.3g} ({row['kid_low']:.3g} to {row['kid_high']:.3g}, "
        f"{row['failed']} failed)"
        for row in ordered
    )
    return f"KID after the same steps, best first: {places}."


def picture(histories: dict[tuple[str, int], list[Row]], summed: list[Row], quick: bool) -> str:
    """KID over samples seen, a thin line a seed, and where each start ended."""
    figure, (over_time, ends) = drawing.sheet(
        "Does a DCGAN need its N(0, 0.02)?",
        f"KID on digits, lower is better, {SEEDS} seeds each; width {WIDTH}, 28x28 pixels",
        ("While training (held-out digits)", "At the end: each seed, and the middle one"),
        right=0.97,
    )
    for place, (start, color) in enumerate(COLORS.items()):
        for (whose, _), history in histories.items():
            ticks = [tick for tick in history if "metric/kid" in tick]
            if whose == start and ticks:
                x = [tick["samples_seen"] / 1000 for tick in ticks]
                kids = [tick["metric/kid"] for tick in ticks]
                over_time.plot(x, kids, color=color, linewidth=1.6, alpha=0.85)
                ends.plot([kids[-1]], [place], "o", color=color, markersize=7, alpha=0.7)
        middle = summed[place]["kid"]
        ends.plot([middle] * 2, [place - 0.25, place + 0.25], color=color, linewidth=2.4)
    over_time.set_yscale("log")
    drawing.across(over_time, "samples seen, in thousands")
    ends.set_yticks(range(len(STARTS)), STARTS.values(), size=10.5, weight="bold")
    for label, color in zip(ends.get_yticklabels(), COLORS.values(), strict=True):
        label.set_color(color)
    ends.set_ylim(len(STARTS) - 0.5, -0.5)
    ends.set_xlim(left=0)
    drawing.across(ends, "KID")
    return drawing.save(figure, "claim-initialization", quick)
