"""How the cost of training grows: measured on one machine, modelled for many GPUs.

    python -m benchmarks.growth [--quick] [--only batch pixels width samples model]

The first four let one thing grow and fit `cost ~ x ** exponent` to the milliseconds of a step (1 is
linear, 0 does not grow), sizes taking turns. `model` adds up what a step of several processes takes
from parts that are measured alone (the step of each one's rows, its messages and their bytes),
compares the sum with a step of two real processes, and puts the figures of large GPUs into it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks import clusters, common, drawing
from benchmarks.processes import ended, milliseconds, start
from sparring.data import Dataset
from sparring.data.dataset import split_by_draw
from sparring.games import GAMES
from sparring.recipe import Recipe
from sparring.recipes import load_recipe
from sparring.report import look
from sparring.training.state import State
from sparring.training.step import run_step

ROUNDS, WARM = 7, 2
SECONDS = 0.4  # that each size trains in a round, about
UNSCORED = {"evaluation.every": 0, "evaluation.metrics": []}
CHECKED = {"digits": 96, "dcgan": 16}  # recipes on two processes, and how many steps
MESSAGES = (1, 1024, 16_384, 262_144, 4_194_304)  # numbers in a message

Result = dict[str, Any]


def recipe_of(width: int = 32, **overrides: Any) -> Recipe:
    """DCGAN, whose both networks have `width` channels at the largest maps."""
    wide = {f"{player}.width": width for player in ("generator", "discriminator")}
    return load_recipe("dcgan", UNSCORED | wide | overrides)


def images(count: int, side: int) -> Dataset:
    """Colour images of noise: what is in them costs nothing."""
    values = torch.randint(256, (count, 3, side, side), dtype=torch.uint8)
    return Dataset("noise", values, split_by_draw(count))


def stepper(recipe: Recipe, dataset: Dataset) -> Callable[[], None]:
    """Makes a step of a recipe, after a few."""
    state = State(GAMES[recipe.game](recipe, dataset, common.CPU), recipe, common.CPU)

    def step() -> None:
        run_step(state)
        state.statistics.clear()

    for _ in range(WARM):
        step()
    return step


def by_batch(size: int) -> Callable[[], None]:
    return stepper(recipe_of(batch_size=size), images(2048, 32))


def by_side(side: int) -> Callable[[], None]:
    return stepper(recipe_of(batch_size=16), images(256, side))


def by_width(width: int) -> Callable[[], None]:
    return stepper(recipe_of(width, batch_size=16), images(256, 32))


def by_samples(count: int) -> Callable[[], None]:
    return stepper(recipe_of(batch_size=64), images(count, 32))


SWEEPS: dict[str, tuple[Callable[[int], Callable[[], None]], tuple[int, ...], float]] = {
    "batch": (by_batch, (8, 16, 32, 64, 128, 256), 1.0),
    "pixels": (by_side, (16, 32, 64, 128), 1.0),
    "width": (by_width, (16, 32, 64, 128, 256), 2.0),
    "samples": (by_samples, (1_000, 4_000, 16_000, 64_000, 256_000), 0.0),
}


def grown(what: str, quick: bool) -> Result:
    """Milliseconds a step at each size, with the exponent that fits them."""
    make, sizes, expected = SWEEPS[what]
    sizes = sizes[:3] if quick else sizes
    steps = {size: make(size) for size in sizes}
    often = {size: max(1, round(SECONDS / common.timed(step))) for size, step in steps.items()}
    times: dict[int, list[float]] = {size: [] for size in sizes}
    draws = random.Random(0)
    for _ in range(2 if quick else ROUNDS):
        for size in draws.sample(sizes, len(sizes)):
            seconds = common.timed(lambda size=size: repeat(steps[size], often[size]))
            times[size].append(1000 * seconds / often[size])
    across = [size**2 if what == "pixels" else size for size in sizes]
    found = exponent(across, list(times.values()))
    rows = [
        {
            what: x,
            "ms_a_step": round(median(times[size]), 2),
            "ms_a_sample": round(median(times[size]) / batch_of(what, size), 3),
        }
        for x, size in zip(across, sizes, strict=True)
    ]
    goals = [common.goal(f"exponent of {what}", found["median"], expected + 0.1, at_least=False)]
    return {"exponent": found, "linear_is": expected, "rows": rows, "goals": goals}


def repeat(step: Callable[[], None], times: int) -> None:
    for _ in range(times):
        step()


def batch_of(what: str, size: int) -> int:
    return {"batch": size, "samples": 64}.get(what, 16)


def exponent(sizes: Sequence[int], times: Sequence[Sequence[float]]) -> dict[str, float]:
    """The slope of log time over log size, a line through each round."""
    x = np.log(sizes)
    slopes = [float(np.polyfit(x, np.log(found), 1)[0]) for found in zip(*times, strict=True)]
    return {key: round(value, 3) for key, value in common.bootstrap_median(slopes).items()}


def model(quick: bool) -> Result:
    """Predicted steps of two processes against real ones, then of many GPUs."""
    delay, rate = message_cost(quick)
    rows = []
    for name, steps in CHECKED.items():
        for kind, batch in batches(name).items():
            rows.append(checked(name, kind, batch, 4 if quick else steps, delay, rate, quick))
    cases = clusters.CASES[:1] if quick else clusters.CASES
    gpus = [row for case in cases for row in clusters.rows(case)]
    worst = max(abs(row["predicted_over_measured"] - 1) for row in rows)
    return {
        "message": {"microseconds": round(1e6 * delay, 1), "gigabytes_a_second": round(rate, 2)},
        "rows": rows,
        "gpus": gpus,
        "assumed": [clusters.ASSUMED],
        "goals": [common.goal("prediction off by", round(worst, 3), 0.15, at_least=False)],
    }


def batches(name: str) -> dict[str, int]:
    batch = load_recipe(name).batch_size
    return {"shared": batch, "grown": 2 * batch}


def message_cost(quick: bool) -> tuple[float, float]:
    """Seconds of a short message of two processes, and GB/s of a long one."""
    times = 20 if quick else 400
    words = ("messages", str(times), *map(str, MESSAGES))
    seconds = json.loads(ended(start(*words, processes=2))[-1])
    size = 4 * MESSAGES[-1]
    return seconds[0], size / (seconds[-1] - seconds[0]) / 1e9


def checked(
    name: str, kind: str, batch: int, steps: int, delay: float, rate: float, quick: bool
) -> Result:
    """A step of two processes: the sum of its parts, and as it is."""
    told = clusters.traffic(name, batch)
    alone, real = [], []
    for _ in range(1 if quick else 4):
        alone.append(milliseconds(name, batch // 2, steps, at_once=2))
        real.append(milliseconds(name, batch, steps, processes=2))
    talk = told["messages"] * delay + told["bytes"] / rate / 1e9
    predicted = median(alone) + 1000 * talk
    return {
        "recipe": name,
        "batch": kind,
        "messages": told["messages"],
        "megabytes": round(told["bytes"] / 1e6, 2),
        "ms_rows_alone": round(median(alone), 2),
        "ms_messages": round(1000 * talk, 2),
        "ms_predicted": round(predicted, 2),
        "ms_measured": round(median(real), 2),
        "predicted_over_measured": round(predicted / median(real), 3),
    }


PARTS = {what: partial(grown, what) for what in SWEEPS} | {"model": model}


def picture(quick: bool) -> str | None:
    """The four growths beside each other, once all are measured."""
    parts = {what: common.saved_part("growth", what, quick) for what in SWEEPS}
    if not all(parts.values()):
        return None
    words = {"batch": "samples a batch", "pixels": "pixels", "width": "channels",
             "samples": "images in the set"}  # fmt: skip
    note = "dcgan, milliseconds a step (batch) or a sample (the others); both axes logarithmic"
    figure, axes = drawing.sheet("What a step costs as it grows", note, list(words), right=0.98)
    for panel, (what, part) in zip(axes, parts.items(), strict=True):
        assert part is not None
        across = [row[what] for row in part["rows"]]
        key = "ms_a_step" if what == "batch" else "ms_a_sample"
        costs = [row[key] for row in part["rows"]]
        panel.loglog(across, costs, "o-", color=look.BLUE, ms=4)
        # A decade at least: else noise would fill the panel.
        spare = max(1.0, (10 * min(costs) / max(costs)) ** 0.5)
        panel.set_ylim(0.8 * min(costs) / spare, 1.25 * max(costs) * spare)
        drawing.across(panel, f"{words[what]}   (exponent {part['exponent']['median']:.2f})")
        panel.minorticks_off()
    return drawing.save(figure, "growth", quick)


def show(name: str, result: Result) -> None:
    for key in ("rows", "gpus", "goals"):
        if result.get(key):
            print(common.table(result[key], name))
    print(result.get("exponent") or result["message"])


def main() -> None:
    options = common.run_parts(__doc__, "growth", PARTS, show)
    print(picture(options.quick))


if __name__ == "__main__":
    main()
