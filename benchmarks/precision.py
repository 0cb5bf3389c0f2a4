"""Whether bf16 costs quality: the default recipe with it and in fp32, three seeds each.

    python -m benchmarks.precision [--quick]

Distances do not depend on the clock, so that this may run beside other work. Both precisions have
the same seeds: the same first weights, latents and order of the data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import common
from sparring.data import open_data
from sparring.games import GAMES
from sparring.metrics import Scorer
from sparring.recipe import Data
from sparring.recipes import load_recipe
from sparring.training.loop import train
from sparring.training.state import State

STEPS, SAMPLES, SEEDS = 1700, 5000, 3
FIRST_SEED = 10**6
PRECISIONS = ("bf16", "fp32")
METRICS = ("fid", "kid")

Row = dict[str, Any]


def main() -> None:
    options = common.arguments(__doc__).parse_args()
    data = open_data(Data())
    scorer = Scorer(data, "test")
    watch = common.Watch()
    runs = [
        run(scorer, precision, seed, options.quick)
        for seed in range(1 if options.quick else SEEDS)
        for precision in PRECISIONS
    ]
    result = {
        "settings": {"recipe": "digits", "steps": STEPS, "samples": SAMPLES},
        "runs": runs,
        "means": [means(runs, precision) for precision in PRECISIONS],
        "goals": goals(runs),
        "machine": watch.record(),
    }
    path = common.save_result("precision", result, options.quick)
    for key in ("runs", "means", "goals"):
        print(common.table(result[key]))
    print(path)


def run(scorer: Scorer, precision: str, seed: int, quick: bool) -> Row:
    """Train once; the averaged generator's distances to held-out digits."""
    overrides: dict[str, Any] = {
        "seed": seed,
        "steps": 20 if quick else STEPS,
        "evaluation.every": 0,
        "evaluation.metrics": [],
        "precision.generator": precision,
        "precision.discriminator": precision,
    }
    recipe = load_recipe("digits", overrides)
    state = State(GAMES[recipe.game](recipe, scorer.dataset, common.CPU), recipe, common.CPU)
    train(state, [])
    seeds = range(FIRST_SEED, FIRST_SEED + (200 if quick else SAMPLES))
    samples = state.game.sample(state.ema["generator"].module, seeds)
    records = scorer.score(samples, METRICS)
    found = {name: round(record.value, 3) for name, record in records.items()}
    print(precision, seed, found, flush=True)
    return {"precision": precision, "seed": seed, **found}


def values(runs: list[Row], precision: str, metric: str) -> list[float]:
    return [one[metric] for one in runs if one["precision"] == precision]


def means(runs: list[Row], precision: str) -> Row:
    """Mean and range over seeds."""
    row: Row = {"precision": precision}
    for metric in METRICS:
        own = values(runs, precision, metric)
        row |= {metric: round(float(np.mean(own)), 3), f"{metric}_range": round(np.ptp(own), 3)}
    return row


def goals(runs: list[Row]) -> list[Row]:
    """The means differ by no more than seeds do."""
    found = []
    for metric in METRICS:
        both = [values(runs, precision, metric) for precision in PRECISIONS]
        apart = abs(float(np.mean(both[0]) - np.mean(both[1])))
        spread = round(float(max(np.ptp(own) for own in both)), 3)
        what = f"{metric}: difference of the means, bound by the range over seeds"
        found.append(common.goal(what, round(apart, 3), spread, at_least=False))
    return found


if __name__ == "__main__":
    main()
