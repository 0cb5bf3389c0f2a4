"""Unrolled GANs on the published ring: modes dropped and chased without, all covered with.

    python -m benchmarks.unrolled [--quick] [--only ring-0 ring-10 ...]

Parts are the recipe `unrolled` on its ring, five seeds, with 0 and with 10 moves ahead; with 5
moves, and the grid of 25 with 0 and 10, one seed each; and, as a check, a quicker discriminator
without unrolling. The generator is looked at as it is, without
an average, every 100 steps. A mode is covered if one of 2,500 samples is within three standard
deviations of it, and held if at least 2.5% of all samples have it as their nearest (the grid: 1%).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import common
from benchmarks.drawing import look
from sparring.data import Dataset, open_data
from sparring.games.latent import latent_game
from sparring.metrics.modes import nearest_modes
from sparring.recipes import load_recipe
from sparring.report import figure_png
from sparring.training.state import State
from sparring.training.step import run_step

SAMPLES, LOOK_EVERY = 2500, 100
PICTURED = (200, 800, 1400, 1800, 2400)
HELD = {"ring": 0.025, "grid": 0.01}
EVEN = {"ring": 1 / 8, "grid": 1 / 25}

Result = dict[str, Any]


def part(data: str, ahead: int, seeds: int, rate: float = 1e-4) -> Callable[[bool], Result]:
    """Train with so many moves ahead on a data set, for some seeds."""

    def measure(quick: bool) -> Result:
        steps = 200 if quick else PICTURED[-1]
        runs, over_time = [], []
        for seed in range(1 if quick else seeds):
            overrides = {"data.name": data, "unroll.steps": ahead, "steps": steps, "seed": seed}
            overrides["optimizer.discriminator.lr"] = rate
            started = time.process_time()
            looks, scatter = trained(overrides)
            seconds = round(time.process_time() - started, 1)
            runs.append(summary(seed, looks) | {"cpu_seconds": seconds})
            over_time.append(looks)
            if seed == 0:
                pictured = scatter
        result = {
            "settings": {"overrides": overrides, "samples": SAMPLES, "look_every": LOOK_EVERY},
            "runs": runs,
            "over_time": columns(over_time),
            "scatter": pictured,
        }
        if data == "ring" and ahead in (0, 10) and rate == 1e-4:
            draw(f"ring-{ahead}", result, quick)
        return result

    return measure


def trained(overrides: Result) -> tuple[list[Result], Result]:
    """What every look at the generator found, and some of its samples for the picture."""
    recipe = load_recipe("unrolled", overrides)
    dataset, cpu = open_data(recipe.data), torch.device("cpu")
    state = State(latent_game(recipe, dataset, cpu), recipe, cpu)
    looks, scatter, before = [], {}, None
    while state.step < recipe.steps:
        run_step(state)
        state.statistics.clear()
        if state.step % LOOK_EVERY == 0:
            network = state.game.players["generator"]
            samples = state.game.sample(network, range(SAMPLES))
            row, shares = look_at(samples, dataset)
            moved = 0.0 if before is None else (shares - before).abs().sum().item() / 2
            looks.append({"step": state.step} | row | {"moved": round(moved, 4)})
            before = shares
            if state.step in PICTURED:
                scatter[str(state.step)] = samples[:300].mul(1000).round().div(1000).tolist()
    return looks, scatter


def look_at(samples: Tensor, dataset: Dataset) -> tuple[Result, Tensor]:
    """Modes covered and held, good samples, and the share of samples nearest to each mode."""
    assert dataset.modes is not None
    count = len(dataset.modes.centers)
    index, good = nearest_modes(samples, dataset)
    shares = index.bincount(minlength=count) / len(samples)
    return {
        "covered": len(index[good].unique()),
        "held": int((shares >= HELD[dataset.name]).sum()),
        "good_share": round(good.float().mean().item(), 4),
    }, shares


def summary(seed: int, looks: list[Result]) -> Result:
    """A run in a row: its end, and its second half."""
    late = looks[len(looks) // 2 :]
    return {
        "seed": seed,
        "covered": looks[-1]["covered"],
        "held": looks[-1]["held"],
        "fewest_held_late": min(row["held"] for row in late),
        "covered_late": round(float(np.mean([row["covered"] for row in late])), 2),
        "good_share": looks[-1]["good_share"],
        "moved_late": round(float(np.mean([row["moved"] for row in late])), 4),
    }


def columns(over_time: list[list[Result]]) -> dict[str, list[Any]]:
    """The looks of all seeds by step."""
    found: dict[str, list[Any]] = {"step": [row["step"] for row in over_time[0]]}
    for name in ("covered", "held", "moved"):
        found[name] = [[row[name] for row in looks] for looks in over_time]
    return found


def draw(name: str, result: Result, quick: bool) -> None:
    """The paper's picture over time, once both parts of it are measured."""
    path = (common.QUICK if quick else common.RESULTS) / "unrolled.json"
    parts = json.loads(path.read_text())["parts"] if path.exists() else {}
    parts[name] = result
    if {"ring-0", "ring-10"} <= parts.keys():
        result["picture"] = picture(parts["ring-0"], parts["ring-10"], quick)


def picture(without: Result, ahead: Result, quick: bool) -> str:
    """Samples over time in two rows, and how many modes are held, all seeds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.2), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    title = "Unrolling: a generator that knows the answer covers all modes"
    figure.text(0.02, 0.945, title, size=15, weight="bold", color=look.INK)
    steps = list(without["scatter"])
    grid = figure.add_gridspec(2, len(steps) + 2, left=0.03, right=0.98, bottom=0.1, top=0.82)
    centers = open_data(load_recipe("unrolled").data).modes.centers
    for row, (result, said) in enumerate(((without, "0 moves ahead"), (ahead, "10 moves ahead"))):
        for column, step in enumerate(steps):
            axes = figure.add_subplot(grid[row, column])
            axes.scatter(*centers.T, s=70, facecolors="none", edgecolors=look.REAL, linewidths=1)
            axes.scatter(*zip(*result["scatter"][step], strict=True), s=2, color=look.FAKE)
            axes.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal", xticks=[], yticks=[])
            if column == 0:
                axes.set_ylabel(said, size=10.5, weight="bold", color=look.INK)
            if row == 0:
                axes.set_title(f"step {step}", size=9.5, color=look.MUTED)
            for side in axes.spines.values():
                side.set_color(look.RULE)
        axes = figure.add_subplot(grid[row, len(steps) :])
        look.calm(axes)
        for covered in result["over_time"]["covered"]:
            color = look.VERMILION if row == 0 else look.GREEN
            axes.plot(result["over_time"]["step"], covered, color=color, linewidth=1.4, alpha=0.7)
        axes.set(ylim=(0, 8.4), yticks=range(0, 9, 2))
        if row == 0:
            axes.set_title("modes covered, each seed", size=9.5, color=look.MUTED)
    path = (common.QUICK if quick else common.IMAGES) / "unrolled.png"
    figure_png(figure, path, dpi=100)
    return path.relative_to(common.ROOT.parent).as_posix()


PARTS: dict[str, Callable[[bool], Result]] = {
    "ring-0": part("ring", 0, 5),
    "ring-10": part("ring", 10, 5),
    "ring-5": part("ring", 5, 1),
    "ring-0-faster": part("ring", 0, 5, rate=3e-4),
    "grid-0": part("grid", 0, 1),
    "grid-10": part("grid", 10, 1),
}


def show(name: str, result: Result) -> None:
    print(common.table(result["runs"], name), flush=True)


def main() -> None:
    common.run_parts(__doc__, "unrolled", PARTS, show)


if __name__ == "__main__":
    main()
