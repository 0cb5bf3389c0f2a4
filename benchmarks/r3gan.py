"""R3GAN on data whose modes are known: 25 Gaussians, and stacked digits with 100 and 1,000 modes.

    python -m benchmarks.r3gan [--quick] [--only grid stacked-dcgan ...]

`grid` is the recipe's loss, penalties and schedules with small MLPs. `stacked-100-*` train on two
stacked digits, three seeds each: `dcgan` is plain DCGAN, logistic loss and nothing else, `wgan-gp`
and `r3gan` the recipes; all are thin and train for about as long. `stacked-1000` is three digits,
once. Which digits a sample shows is read by the shipped classifier: a mode counts as covered if any
of 10,000 samples (25,600 of three digits, as is usual) shows it; good samples are those it is
certain of in every channel. KL is that of how often each mode was found to even frequencies, in
nats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

import sparring
from benchmarks import common
from benchmarks.sizes import RATE
from benchmarks.sizes import sizes as counted_sizes
from sparring.data import open_data
from sparring.metrics import Scorer
from sparring.recipe import Data, Recipe
from sparring.recipes import load_recipe

SEEDS = 3
PLAYERS = ("generator", "discriminator")
FIRST_SEED = 10**6
PART = 1000  # samples made at a time

GRID: dict[str, Any] = {
    "data.name": "grid",
    "generator": {"name": "mlp", "width": [256, 256, 256], "activation": "relu"},
    "discriminator": {"name": "mlp", "width": [256, 256, 256], "activation": "relu"},
    "precision": {"generator": "fp32", "discriminator": "fp32"},
    "latent.size": 2,
    "steps": 8000,
    "batch_size": 256,
    "tick": 100,
}
THIN = {"generator.width": 16, "discriminator.width": 16}
STACKED: dict[str, dict[str, Any]] = {
    "dcgan": THIN | {"steps": 4000},
    "wgan-gp": {"steps": 1500},
    "r3gan": {"steps": 3000},
}
THOUSAND = {"data.digits": 3, "steps": 12000}
GRID_GOOD = 0.9

Result = dict[str, Any]


def grid(quick: bool) -> Result:
    """The loss and the schedules of the recipe with MLPs, three seeds."""
    rows, _ = runs_of("r3gan", GRID, 1 if quick else SEEDS, 2500, quick)
    return {
        "settings": {"overrides": GRID, "samples": 2500},
        "runs": rows,
        "goals": [
            all_covered(rows),
            common.goal(
                "good share, lowest", min(row["good_share"] for row in rows), GRID_GOOD, True
            ),
        ],
    }


def stacked(recipe: str) -> Callable[[bool], Result]:
    """The part of a recipe on two stacked digits."""

    def part(quick: bool) -> Result:
        overrides = {"data.name": "stacked-mnist", "data.digits": 2} | STACKED[recipe]
        rows, shown = runs_of(recipe, overrides, 1 if quick else SEEDS, 10_000, quick)
        result: Result = {
            "settings": {"overrides": overrides, "samples": 10_000},
            "runs": rows,
            "picture": common.save_grid(shown, f"stacked-{recipe}", quick, columns=16),
        }
        if recipe == "r3gan":
            result["goals"] = [all_covered(rows)]
        if recipe == "dcgan":
            most = max(row["covered"] for row in rows)
            result["goals"] = [common.goal("modes covered, most", most, 99, at_least=False)]
        return result

    return part


def thousand(quick: bool) -> Result:
    """Three digits, once."""
    overrides = {"data.name": "stacked-mnist"} | THOUSAND
    rows, shown = runs_of("r3gan", overrides, 1, 25_600, quick)
    return {
        "settings": {"overrides": overrides, "samples": 25_600},
        "runs": rows,
        "goals": [common.goal("modes covered", rows[0]["covered"], 990, at_least=True)],
        "picture": common.save_grid(shown, "stacked-1000", quick, columns=16),
    }


def sizes(quick: bool) -> Result:
    """The networks of the paper at each size: 768 channels at 32 pixels and below, then fewer."""

    def at(side: int) -> Recipe:
        # 768 channels up to 32 pixels, half as many each doubling above, as published for faces.
        wide = {"width": max(768 * 32 // side, 96), "growth": max(side // 32, 1), "blocks": 2}
        own = {f"{player}.{k}": v for player in PLAYERS for k, v in wide.items()}
        return load_recipe("r3gan", own | {"penalties.0.every": 1, "penalties.1.every": 1})

    pixels = (32,) if quick else (32, 64, 128, 256)
    rows = counted_sizes(at, pixels, run_up_to=0 if quick else 32, batch_size=64)
    return {"settings": {"gpu": f"{RATE / 1e12:g} TFLOP/s", "precision": "fp32"}, "rows": rows}


def runs_of(
    recipe: str, overrides: Result, seeds: int, count: int, quick: bool
) -> tuple[list[Result], Tensor]:
    """A row for each seed, and samples of the first."""
    if quick:
        count, overrides = 500, overrides | {"steps": 30}
    rows, shown = [], None
    for seed in range(seeds):
        row, samples = trained(recipe, overrides | {"seed": seed}, count)
        rows.append(row)
        print(row, flush=True)
        shown = samples[:64] if shown is None else shown
    assert shown is not None
    return rows, shown


def trained(recipe: str, overrides: Result, count: int) -> tuple[Result, Tensor]:
    """Train once; the modes of the averaged generator at the end."""
    still = {"evaluation.every": 0, "evaluation.final_metrics": [], "snapshots": 2}
    ends = still | {"evaluation.metrics": []}  # the last step is what ships: nothing is chosen
    with common.scratch() as folder:
        run = sparring.train(recipe, out=folder / "run", overrides=ends | overrides)
        chosen = load_recipe(run.folder.recipe)
        parts = [run.sample(PART, seed=FIRST_SEED + at) for at in range(0, count, PART)]
        summary = run.summary
    samples = torch.cat(parts)[:count]
    found = modes_of(samples, chosen.data)
    return {
        "seed": chosen.seed,
        "seconds": summary["seconds"],
        "samples_seen": summary["samples_seen"],
        **found,
    }, samples


def modes_of(samples: Tensor, data: Data) -> Result:
    """What the product's metric says of samples."""
    named = {key: getattr(data, key) for key in ("name", "digits")}
    dataset = open_data(Data.model_validate(named))
    found = Scorer(dataset, "test").estimates(samples, ["modes"])["modes"]
    assert dataset.modes is not None
    return {
        "covered": int(found.value),
        "of": len(dataset.modes),
        "good_share": round(found.more["good_share"], 4),
        "kl": round(found.more["kl"], 4),
    }


def all_covered(rows: Sequence[Result]) -> Result:
    fewest = min(row["covered"] for row in rows)
    return common.goal("modes covered, fewest", fewest, rows[0]["of"], at_least=True)


PARTS: dict[str, Callable[[bool], Result]] = {
    "grid": grid,
    **{f"stacked-100-{recipe}": stacked(recipe) for recipe in STACKED},
    "stacked-1000": thousand,
    "sizes": sizes,
}


def show(name: str, result: Result) -> None:
    print(common.table(result["runs" if "runs" in result else "rows"], name), flush=True)
    if "goals" in result:
        print(common.table(result["goals"]), flush=True)


def main() -> None:
    common.run_parts(__doc__, "r3gan", PARTS, show)


if __name__ == "__main__":
    main()
