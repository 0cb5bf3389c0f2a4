"""The two-sample test: ½ on real against real, above 0.95 on early samples."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import sparring
from benchmarks import common
from benchmarks.metrics.clothes import WORDS, clothes
from sparring.data import open_data
from sparring.metrics import METRICS, Comparison
from sparring.metrics.features import find_extractor
from sparring.recipe import Data

DRAWS, SAMPLES = 10, 5000  # of each side; of the 5,000 digits half
STEPS, SEEDS = (50, 200), 3
FIRST_SEED = 10**6

Row = dict[str, Any]


def measure(quick: bool) -> Row:
    """Real against real on two data sets, and digits after few steps."""
    draws = 2 if quick else DRAWS
    digits = open_data(Data())
    extractor = find_extractor("classifier", digits)
    of_digits = extractor(digits.values)
    real = [
        *against_itself("clothes", clothes().features, draws),
        *against_itself("digits", of_digits, draws),
    ]
    early = []
    order = torch.randperm(len(of_digits), generator=torch.Generator().manual_seed(0))
    reference = of_digits[order[:SAMPLES]]
    for steps in STEPS:
        for seed in range(1 if quick else SEEDS):
            with common.scratch() as folder:
                overrides = {"steps": steps, "seed": seed, "evaluation.metrics": []}
                run = sparring.train("digits", out=folder / "run", overrides=overrides)
                fake = extractor(run.sample(SAMPLES, seed=FIRST_SEED))
            early.append({"steps": steps, "seed": seed, "accuracy": accuracy(reference, fake)})
    values = [row["accuracy"] for row in real]
    lowest = min(row["accuracy"] for row in early)
    farthest = max(abs(value - 0.5) for value in values)
    return {
        "settings": WORDS
        | {
            "samples": SAMPLES,
            "digits": "features of the shipped classifier",
            "early": "the averaged generator of the recipe digits after so many steps",
        },
        "real_against_real": real,
        "early": early,
        "lowest": min(values),
        "highest": max(values),
        "goals": [
            common.goal("real against real, farthest from ½", farthest, 0.02, at_least=False),
            common.goal("early samples, lowest", lowest, 0.95, at_least=True),
        ],
        "outcome": (
            f"Real against real it is {min(values):.3f} to {max(values):.3f} in {len(values)} "
            f"draws; on samples after {STEPS[0]} and {STEPS[1]} steps at least {lowest:.3f}."
        ),
    }


def against_itself(name: str, features: Tensor, draws: int) -> list[Row]:
    """Disjoint random halves of twice SAMPLES, several times."""
    draw = torch.Generator().manual_seed(2)
    rows = []
    for number in range(draws):
        order = torch.randperm(len(features), generator=draw)[: 2 * SAMPLES]
        rows.append({"data": name, "draw": number, "accuracy": accuracy(*features[order].chunk(2))})
    return rows


def accuracy(real: Tensor, fake: Tensor) -> float:
    return METRICS["two-sample"].function(Comparison(real, fake, fake)).value
