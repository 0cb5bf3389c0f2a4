"""The share of a run that goes into scoring, under the schedule of every recipe that has one.

A short run with evaluations close to each other gives the seconds of a step and of an evaluation;
the recipe says how many steps lie between two of them. The first evaluation also looks at the real
samples, once in a run, and stands apart.
"""

from __future__ import annotations

import statistics
from typing import Any

import sparring
from benchmarks import common
from sparring.errors import InputError
from sparring.recipes import load_recipe, recipe_names

STEPS, EVALUATIONS = 60, 4
MOST = 0.1  # from there on a run tells its user

Row = dict[str, Any]


def measure(quick: bool) -> Row:
    """One row a recipe that scores while it trains on images that are here."""
    names = [name for name in recipe_names() if load_recipe(name).evaluation.every]
    rows = [row for name in names if (row := share(name, 8 if quick else STEPS)) is not None]
    worst = max(rows, key=lambda row: row["share"])
    return {
        "rows": rows,
        "settings": {"steps": STEPS, "evaluations": EVALUATIONS},
        "goals": [common.goal("largest share of a run", worst["share"], MOST, at_least=False)],
        "outcome": (
            f"Scoring takes at most {worst['share']:.1%} of the time of a run under the recipes' "
            f"own schedules ({worst['recipe']})."
        ),
    }


def share(name: str, steps: int) -> Row | None:
    """Seconds of steps and evaluations, and what they come to over the recipe's whole run."""
    recipe = load_recipe(name)
    tick = max(steps // EVALUATIONS, 1)
    overrides = {
        "steps": steps,
        "tick": tick,
        "snapshots": 1,
        "evaluation.every": tick * recipe.batch_size,
        "evaluation.final_metrics": [],
    }
    try:
        with common.scratch() as folder:
            run = sparring.train(name, out=folder / "run", overrides=overrides)
            history, summary = run.folder.read_history(), run.summary
    except InputError as missing:  # a data set that is not on this machine
        print(f"{name}: {missing}", flush=True)
        return None
    spent = [line["evaluation_seconds"] for line in history]
    each = statistics.median(spent[1:])
    step = summary["seconds"] / steps
    times = recipe.steps * recipe.batch_size // recipe.evaluation.every
    training, scoring = recipe.steps * step, spent[0] + (max(times, 1) - 1) * each
    return {
        "recipe": name,
        "step_ms": round(1000 * step, 1),
        "first_seconds": round(spent[0], 2),
        "evaluation_seconds": round(each, 2),
        "evaluations": times,
        "run_seconds": round(training),
        "share": round(scoring / (training + scoring), 4),
    }
