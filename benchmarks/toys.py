"""Small data whose truth is known: moments, modes and patterns over several seeds.

    python -m benchmarks.toys [--quick] [--only gaussian-document ...]

Parts: gaussian-document (the 1-D tutorial's program as it stands), gaussian, patterns, ring, grid
(recipes as shipped), ring-plain and grid-plain (without penalties and pairing). A part that is run
again replaces only its own figures in the results file.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import sparring
from benchmarks import common, tutorial
from sparring.data import open_data
from sparring.metrics.modes import nearest_modes
from sparring.recipes import load_recipe

MEAN, STD = 3.0, 2.0
MEAN_ERROR, STD_ERROR, LOSS_ERROR = 0.15, 0.2, 0.03
LAST_TICKS = 10  # over which the losses at the end are averaged
FIRST_SEED = 10**6
GOOD_SHARE = {"patterns": 0.95, "ring": 0.9, "grid": 0.9}
SAMPLES = {"patterns": 1000, "ring": 2500, "grid": 2500}

Result = dict[str, Any]


def main() -> None:
    common.run_parts(__doc__, "toys", PARTS, show)


def gaussian_document(quick: bool) -> Result:
    """The tutorial's program, unchanged, for ten seeds."""
    steps = 200 if quick else 3000
    runs = []
    for seed in range(2 if quick else 10):
        torch.manual_seed(seed)
        generator, discriminator = tutorial.number_networks()
        started, losses = time.perf_counter(), []
        for pair in tutorial.number_steps(generator, discriminator, steps):
            losses.append(pair)
        seconds = time.perf_counter() - started
        with torch.no_grad():
            samples = generator(torch.randn(10_000, 20))
        end = np.mean(losses[-500:], axis=0)
        runs.append(gaussian_row(seed, seconds, samples, *end) | {"last_losses": losses[-1]})
    return {"settings": {"steps": steps, "samples": 10_000}} | gaussian_summary(runs)


def gaussian(quick: bool) -> Result:
    """The recipe as shipped, for ten seeds."""
    overrides = {"steps": 500} if quick else {}
    runs = []
    for seed in range(2 if quick else 10):
        with common.scratch() as folder:
            run = sparring.train("gaussian", out=folder / "r", overrides=overrides | {"seed": seed})
            samples = run.sample(10_000, seed=FIRST_SEED)
            ticks = run.folder.read_history()[-LAST_TICKS:]
            seconds = run.summary["seconds"]
        loss_d = np.mean([tick["loss/discriminator"] for tick in ticks]) / 2
        loss_g = np.mean([tick["loss/generator"] for tick in ticks])
        runs.append(gaussian_row(seed, seconds, samples, loss_d, loss_g))
    settings = {
        "overrides": overrides,
        "samples": 10_000,
        "recipe": described("gaussian"),
        "losses": f"means over the last {LAST_TICKS} ticks, D's halved",
    }
    result = {"settings": settings} | gaussian_summary(runs)
    goal = common.goal("seeds that pass", result["passed"], len(runs), at_least=True)
    return result | {"goals": [goal]}


def gaussian_row(
    seed: int, seconds: float, samples: torch.Tensor, loss_d: float, loss_g: float
) -> Result:
    """Moments and losses of one run (D's averaged over real and fake), and whether all is near."""
    mean, std = samples.mean().item(), samples.std().item()
    losses = [abs(loss - math.log(2)) <= LOSS_ERROR for loss in (loss_d, loss_g)]
    return {
        "seed": seed,
        "seconds": round(seconds, 2),
        "mean": round(mean, 3),
        "std": round(std, 3),
        "loss_d": round(float(loss_d), 4),
        "loss_g": round(float(loss_g), 4),
        "mean_ok": abs(mean - MEAN) <= MEAN_ERROR,
        "std_ok": abs(std - STD) <= STD_ERROR,
        "losses_ok": all(losses),
    }


def gaussian_summary(runs: list[Result]) -> Result:
    passed = [run["mean_ok"] and run["std_ok"] and run["losses_ok"] for run in runs]
    ranges = {
        name: [min(run[name] for run in runs), max(run[name] for run in runs)]
        for name in ("mean", "std", "loss_d", "loss_g")
    }
    wanted = {
        "mean": f"{MEAN:g} ± {MEAN_ERROR}",
        "std": f"{STD:g} ± {STD_ERROR}",
        "losses": f"log 2 ± {LOSS_ERROR}",
    }
    return {"wanted": wanted, "runs": runs, "ranges": ranges, "passed": sum(passed)}


def modes_of(name: str, plain: bool = False) -> Callable[[bool], Result]:
    """The part of a data set with known modes: its recipe as shipped, or without what we added."""
    changed: Result = {"penalties": [], "loss.pairing": "standard"} if plain else {}

    def part(quick: bool) -> Result:
        overrides = changed | ({"steps": 300} if quick else {})
        runs = [mode_row(name, overrides | {"seed": seed}) for seed in range(1 if quick else 5)]
        settings = {
            "overrides": overrides,
            "samples": SAMPLES[name],
            "good": f"within {open_data(load_recipe(name).data).modes.radius:g} of a mode",
            "recipe": described(name),
        }
        if plain:
            return {"settings": settings, "runs": runs}
        covered = min(run["covered"] for run in runs)
        good = min(run["good_share"] for run in runs)
        goals = [
            common.goal("modes covered, fewest", covered, runs[0]["of"], at_least=True),
            common.goal("good share, lowest", good, GOOD_SHARE[name], at_least=True),
        ]
        return {"settings": settings, "runs": runs, "goals": goals}

    return part


def mode_row(name: str, overrides: Result) -> Result:
    """Train once; which modes have a good sample, and how even they are."""
    with common.scratch() as folder:
        run = sparring.train(name, out=folder / "run", overrides=overrides)
        samples, seconds = run.sample(SAMPLES[name], seed=FIRST_SEED), run.summary["seconds"]
        best = run.summary["best"]["step"]
    dataset = open_data(load_recipe(name).data)
    index, good = nearest_modes(samples, dataset)
    counts = index[good].bincount(minlength=len(dataset.modes.centers))
    return {
        "seed": overrides["seed"],
        "seconds": seconds,
        "best_step": best,
        "covered": int((counts > 0).sum()),
        "of": len(counts),
        "good_share": round(good.float().mean().item(), 4),
        "rarest_share": round(counts.min().item() / len(samples), 4),
    }


def described(name: str) -> Result:
    """What a reader needs of a recipe to know what was measured."""
    recipe = load_recipe(name).model_dump(mode="json")
    kept = ("steps", "batch_size", "generator", "discriminator", "loss", "penalties", "terms")
    return {key: recipe[key] for key in (*kept, "optimizer", "ema") if key in recipe}


PARTS: dict[str, Callable[[bool], Result]] = {
    "gaussian-document": gaussian_document,
    "gaussian": gaussian,
    "patterns": modes_of("patterns"),
    "ring": modes_of("ring"),
    "ring-plain": modes_of("ring", plain=True),
    "grid": modes_of("grid"),
    "grid-plain": modes_of("grid", plain=True),
}


def show(part: str, result: Result) -> None:
    rows = [{k: v for k, v in run.items() if k != "last_losses"} for run in result["runs"]]
    print(common.table(rows, part))
    if "passed" in result:
        print(f"{result['passed']} of {len(rows)} seeds pass")
    if "goals" in result:
        print(common.table(result["goals"]))
    print(f"quiet machine: {result['machine']['quiet']}")


if __name__ == "__main__":
    main()
