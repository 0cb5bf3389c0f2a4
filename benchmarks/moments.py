"""The course's first GAN, whose discriminator sees four moments of a batch: does it get there?

    python -m benchmarks.moments [--quick] [--only document ...]

Parts: document (the program of benchmarks/tutorial.py, and what the course tells its readers to
change in it), shipped (the recipe `gaussian-moments`), exercises (the same changes to the recipe).
A part that is run again replaces only its own figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import sparring
from benchmarks import common
from benchmarks.side_by_side import Copies, Setting, difference_from_the_program
from benchmarks.toys import FIRST_SEED, described

RECIPE = "gaussian-moments"
MEAN, STD = 4.0, 1.25
NEAR = 0.1 / STD  # how far mean and standard deviation may be off, in standard deviations
SAMPLES, LOOK_EVERY = 10_000, 100
ROUNDS, EXERCISE_SEEDS = 5000, 3
SECONDS = 60
PLAYERS = ("generator", "discriminator")
EXERCISES: dict[str, Any] = {
    "N(0, 1.25)": {"mean": 0.0},
    "N(4, 3)": {"std": 3.0},
    "rate 1e-2": {"rate": 1e-2},
    "rate 1e-4": {"rate": 1e-4},
    "30 D to 10 G": {"moves": (30, 10)},
    "10 D to 30 G": {"moves": (10, 30)},
}

Result = dict[str, Any]


def main() -> None:
    common.run_parts(__doc__, "moments", PARTS, show)


def document(quick: bool) -> Result:
    """The document's program and its exercises; all copies run side by side."""
    rounds = 200 if quick else ROUNDS
    settings = [Setting(seed) for seed in range(10)]
    settings += [
        Setting(seed, **change) for change in EXERCISES.values() for seed in range(EXERCISE_SEEDS)
    ]
    names = ["none"] * 10 + [name for name in EXERCISES for _ in range(EXERCISE_SEEDS)]
    rows = document_rows(Copies(settings), settings, rounds)
    runs, others = rows[:10], rows[10:]
    for name, row in zip(names[10:], others, strict=True):
        row["exercise"] = name
    about = {
        "rounds": rounds,
        "samples": SAMPLES,
        "side by side": "all copies in one batched computation",
        "largest difference from the program itself": difference_from_the_program(),
        "first_near": f"the first round, of each {LOOK_EVERY}th, with both moments in the bounds",
        "near_at_the_end": f"share of each {LOOK_EVERY}th round in the last fifth that is near",
        "losses": "mean and standard deviation over the last tenth, D's is the sum",
    }
    return {"settings": about} | summary(runs) | {"exercises": others}


def document_rows(copies: Copies, settings: list[Setting], rounds: int) -> list[Result]:
    """Train the copies; how each ends, and how it got there."""
    losses, looks = [], {}
    for number, pair in enumerate(copies.rounds(rounds), 1):
        losses.append(torch.stack(pair))
        if number % LOOK_EVERY == 0:
            looks[number] = document_looks(copies, settings)
        if number % 500 == 0:
            told = [f"{look['mean']:.2f}/{look['std']:.2f}" for look in looks[number]]
            print(f"round {number}: {' '.join(told)}", flush=True)
    end = torch.stack(losses[-rounds // 10 :])  # [rounds, D and G, copies]
    rows = []
    for copy, setting in enumerate(settings):
        near = {number: look[copy]["reached"] for number, look in looks.items()}
        late = [was for number, was in near.items() if number > 0.8 * rounds]
        figures = {
            f"loss_{player}{kind}": round(value, 3)
            for player, curve in zip("dg", end[:, :, copy].T, strict=True)
            for kind, value in (("", curve.mean().item()), ("_std", curve.std().item()))
        }
        rows.append(
            {"seed": setting.seed}
            | looks[rounds][copy]
            | {"first_near": next((number for number, was in near.items() if was), None)}
            | {"near_at_the_end": float(np.mean(late))}
            | figures
        )
    return rows


@torch.no_grad()
def document_looks(copies: Copies, settings: list[Setting]) -> list[Result]:
    """The moments of each copy's samples now; its training's random numbers are left alone."""
    z = torch.rand(SAMPLES, 1, generator=torch.Generator().manual_seed(FIRST_SEED))
    samples = copies.numbers(z.expand(len(settings), -1, -1))
    return [row(samples[copy], setting.mean, setting.std) for copy, setting in enumerate(settings)]


def shipped(quick: bool) -> Result:
    """The recipe as shipped, for ten seeds."""
    overrides = {"steps": 300} if quick else {}
    runs = []
    for seed in range(2 if quick else 10):
        runs.append(product_run(overrides | {"seed": seed}))
        print(runs[-1], flush=True)
    settings = {
        "overrides": overrides,
        "samples": SAMPLES,
        "recipe": described(RECIPE),
        "seconds": "of wall clock in training; cpu_seconds: of one thread, with report and samples",
    }
    result = {"settings": settings} | summary(runs)
    slowest = max(run["cpu_seconds"] for run in runs)
    goals = [
        common.goal("seeds that reach both", result["reached"], 9, at_least=True),
        common.goal("seconds on one core of its own, slowest", slowest, SECONDS, at_least=False),
    ]
    return result | {"goals": goals}


def exercises(quick: bool) -> Result:
    """The exercises on the recipe as shipped; the balances are 3 moves to 1."""
    changes: dict[str, Result] = {
        "N(0, 1.25)": {"data.mean": 0.0},
        "N(4, 3)": {"data.std": 3.0},
        "rate 1e-2": {f"optimizer.{player}.lr": 1e-2 for player in PLAYERS},
        "rate 1e-4": {f"optimizer.{player}.lr": 1e-4 for player in PLAYERS},
        "30 D to 10 G": {"repeats.discriminator": 3},
        "10 D to 30 G": {"repeats.generator": 3},
    }
    rows = []
    for name, change in changes.items():
        for seed in range(1 if quick else EXERCISE_SEEDS):
            overrides = change | {"seed": seed} | ({"steps": 60} if quick else {})
            rows.append({"exercise": name} | product_run(overrides))
            print(rows[-1], flush=True)
    return {"settings": {"samples": SAMPLES, "changes": changes}, "runs": rows}


def product_run(overrides: Result) -> Result:
    """Train the recipe once; moments of fresh samples of the model it ships."""
    started = time.process_time()
    with common.scratch() as folder:
        run = sparring.train(RECIPE, out=folder / "run", overrides=overrides)
        samples, seconds = run.sample(SAMPLES, seed=FIRST_SEED), run.summary["seconds"]
    used = {"seconds": round(seconds, 1), "cpu_seconds": round(time.process_time() - started, 1)}
    mean, std = overrides.get("data.mean", MEAN), overrides.get("data.std", STD)
    return {"seed": overrides["seed"]} | used | row(samples, mean, std)


def row(samples: torch.Tensor, mean: float = MEAN, std: float = STD) -> Result:
    """The moments that were reached, and whether both are near those that were wanted."""
    got, spread = samples.mean().item(), samples.std().item()
    errors = abs(got - mean), abs(spread - std)
    return {
        "mean": round(got, 3),
        "std": round(spread, 3),
        "reached": all(error <= NEAR * std for error in errors),
    }


def summary(runs: list[Result]) -> Result:
    ranges = {name: [min(r[name] for r in runs), max(r[name] for r in runs)] for name in WATCHED}
    wanted = {"mean": f"{MEAN:g} ± {NEAR * STD:g}", "std": f"{STD:g} ± {NEAR * STD:g}"}
    reached = sum(run["reached"] for run in runs)
    return {"wanted": wanted, "runs": runs, "ranges": ranges, "reached": reached}


WATCHED = ("mean", "std")
PARTS: dict[str, Callable[[bool], Result]] = {
    "document": document,
    "shipped": shipped,
    "exercises": exercises,
}


def show(part: str, result: Result) -> None:
    print(common.table(result["runs"], part))
    if "exercises" in result:
        print(common.table(result["exercises"], f"{part}, exercises"))
    if "reached" in result:
        print(f"{result['reached']} of {len(result['runs'])} seeds reach both moments")
    if "goals" in result:
        print(common.table(result["goals"]))
    print(f"quiet machine: {result['machine']['quiet']}")


if __name__ == "__main__":
    main()
