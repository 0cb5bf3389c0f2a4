"""The course's first GAN, whose discriminator sees four moments of a batch: does it get there?

    python -m benchmarks.moments [--quick] [--only document ...]

Parts: document (the program as a learner would type it), shipped (the recipe `gaussian-moments`),
exercises (what the course tells its readers to change, on the document's settings by override and
on the recipe as shipped). A part that is run again replaces only its own figures.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import sparring
from benchmarks import common, tutorial
from benchmarks.toys import FIRST_SEED, described
from sparring.recipes import parse_override, recipe_text

RECIPE = "gaussian-moments"
MEAN, STD = 4.0, 1.25
NEAR = 0.1 / STD  # how far mean and standard deviation may be off, in standard deviations
SAMPLES, LOOK_EVERY = 10_000, 100
ROUNDS, EXERCISE_ROUNDS = 5000, 1000
SECONDS = 60
PLAYERS = ("generator", "discriminator")

Result = dict[str, Any]


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    for part in options.only:
        watch = common.Watch()
        result = PARTS[part](options.quick) | {"machine": watch.record()}
        path = common.save_result("moments", result, options.quick, part)
        show(part, result)
        print(path, flush=True)


def document(quick: bool) -> Result:
    """The document's program, unchanged, for ten seeds."""
    rounds = 200 if quick else ROUNDS
    runs = [document_run(seed, rounds) for seed in range(2 if quick else 10)]
    settings = {
        "rounds": rounds,
        "moves a round": "20 + 20",
        "samples": SAMPLES,
        "first_near": f"the first round, of each {LOOK_EVERY}th, with both moments in the bounds",
        "near_at_the_end": f"share of each {LOOK_EVERY}th round in the last fifth that is near",
        "losses": "mean and standard deviation over the last 500 rounds, D's is the sum",
    }
    return {"settings": settings} | summary(runs)


def document_run(seed: int, rounds: int) -> Result:
    torch.manual_seed(seed)
    generator, discriminator = tutorial.moment_networks()
    started, losses, near = time.perf_counter(), [], {}
    for number, pair in enumerate(tutorial.moment_rounds(generator, discriminator, rounds), 1):
        losses.append(pair)
        if number % LOOK_EVERY == 0:
            looked = row(document_samples(generator))
            near[number] = looked["reached"]
    seconds = time.perf_counter() - started
    end = np.array(losses[-500:])
    late = [was for number, was in near.items() if number > 0.8 * rounds]
    result = {"seed": seed, "seconds": round(seconds, 1)} | row(document_samples(generator))
    print(result, flush=True)
    return result | {
        "first_near": next((number for number, was in near.items() if was), None),
        "near_at_the_end": float(np.mean(late)),
        "loss_d": round(float(end[:, 0].mean()), 3),
        "loss_d_std": round(float(end[:, 0].std()), 3),
        "loss_g": round(float(end[:, 1].mean()), 3),
        "loss_g_std": round(float(end[:, 1].std()), 3),
    }


def document_samples(generator: torch.nn.Module) -> torch.Tensor:
    """Samples of the plain program that leave its own random numbers as they were."""
    with torch.no_grad():
        uniform = torch.rand(SAMPLES, 1, generator=torch.Generator().manual_seed(FIRST_SEED))
        return generator(uniform)


def shipped(quick: bool) -> Result:
    """The recipe as shipped, for ten seeds."""
    overrides = {"steps": 300} if quick else {}
    runs = [product_run(overrides | {"seed": seed}) for seed in range(2 if quick else 10)]
    settings = {"overrides": overrides, "samples": SAMPLES, "recipe": described(RECIPE)}
    result = {"settings": settings} | summary(runs)
    slowest = max(run["seconds"] for run in runs)
    goals = [
        common.goal("seeds that reach both", result["reached"], 9, at_least=True),
        common.goal("seconds, slowest", slowest, SECONDS, at_least=False),
    ]
    return result | {"goals": goals}


def exercises(quick: bool) -> Result:
    """Other targets, rates and balances, three seeds each."""
    variants: dict[str, Result] = {"document": document_overrides(RECIPE), "shipped": {}}
    variants["document"]["steps"] = EXERCISE_ROUNDS
    changes = exercise_overrides()
    rows = []
    for variant, base in variants.items():
        for name, change in changes[variant].items():
            for seed in range(1 if quick else 3):
                overrides = base | change | {"seed": seed} | ({"steps": 60} if quick else {})
                run = {"settings": variant, "exercise": name} | product_run(overrides)
                print(run, flush=True)
                rows.append(run)
    settings = {
        "samples": SAMPLES,
        "variants": variants,
        "changes": changes,
        "document": f"{EXERCISE_ROUNDS} rounds where the document has {ROUNDS}",
    }
    return {"settings": settings, "runs": rows}


def exercise_overrides() -> dict[str, dict[str, Result]]:
    """What each exercise changes; the balance is 3 to 1 moves where a round has fewer than 20."""
    targets: dict[str, Result] = {
        "none": {},
        "N(0, 1.25)": {"data.mean": 0.0},
        "N(4, 3)": {"data.std": 3.0},
        "rate 1e-2": {f"optimizer.{player}.lr": 1e-2 for player in PLAYERS},
        "rate 1e-4": {f"optimizer.{player}.lr": 1e-4 for player in PLAYERS},
    }

    def balances(more: int, fewer: int) -> dict[str, Result]:
        return {
            "30 D to 10 G": {"repeats.discriminator": more, "repeats.generator": fewer},
            "10 D to 30 G": {"repeats.discriminator": fewer, "repeats.generator": more},
        }

    return {"document": targets | balances(30, 10), "shipped": targets | balances(3, 1)}


def document_overrides(name: str) -> Result:
    """The document's own settings, as the comment of a recipe lists them."""
    lines = re.findall(r"^#   (.+)$", recipe_text(name), re.MULTILINE)
    return dict(parse_override(word) for line in lines for word in line.split())


def product_run(overrides: Result) -> Result:
    """Train the recipe once; moments of fresh samples of the model it ships."""
    with common.scratch() as folder:
        run = sparring.train(RECIPE, out=folder / "run", overrides=overrides)
        samples, seconds = run.sample(SAMPLES, seed=FIRST_SEED), run.summary["seconds"]
    mean, std = overrides.get("data.mean", MEAN), overrides.get("data.std", STD)
    return {"seed": overrides["seed"], "seconds": round(seconds, 1)} | row(samples, mean, std)


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


WATCHED = ("seconds", "mean", "std")
PARTS: dict[str, Callable[[bool], Result]] = {
    "document": document,
    "shipped": shipped,
    "exercises": exercises,
}


def show(part: str, result: Result) -> None:
    print(common.table(result["runs"], part))
    if "reached" in result:
        print(f"{result['reached']} of {len(result['runs'])} seeds reach both moments")
    if "goals" in result:
        print(common.table(result["goals"]))
    print(f"quiet machine: {result['machine']['quiet']}")


if __name__ == "__main__":
    main()
