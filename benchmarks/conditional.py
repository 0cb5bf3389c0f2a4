"""The conditional recipes: do samples show the class that was asked for, in all its variety?

    python -m benchmarks.conditional [--quick] [--only cgan cdcgan acgan]

Three seeds each. The judge is the one of benchmarks.digits: it learned from the 1,000 digits that
no GAN trains on. Variety inside a class is the mean distance between two of its samples, in pixels
and in the judge's features, as a share of that between the 4,000 training digits, which the judge
has not seen either.
"""

from __future__ import annotations

from functools import cache, partial
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor

import sparring
from benchmarks import common
from benchmarks.digits import EPOCHS, FIRST_SEED, distances, trained_judge
from sparring.data import Dataset, open_data, to_network
from sparring.metrics.classifier import Classifier, class_probabilities
from sparring.recipe import Data
from sparring.recipes import load_recipe

SEEDS = 3
EACH = 200  # samples of a class
AGREEMENT = {"cgan": 0.9, "cdcgan": 0.97, "acgan": 0.97}
VARIETY = 0.8
SPACES = ("pixels", "features")  # in which distances inside a class are taken
SHOWN = 10  # columns of the picture

Result = dict[str, Any]


def main() -> None:
    common.run_parts(
        __doc__, "conditional", {name: partial(measure, name) for name in AGREEMENT}, show
    )


def measure(name: str, quick: bool) -> Result:
    """Train a recipe for each seed and ask for every class; seeds of before are kept."""
    digits, judge, judged = judged_digits(2 if quick else EPOCHS)
    overrides = {"steps": 60} if quick else {}
    result = {
        "settings": {"recipe": fingerprint(name), "overrides": overrides, "samples_each": EACH},
        "judge": judged,
        "real": agreement(judge, training_digits(digits)),
        "runs": [],
    }
    kept = common.saved_part("conditional", name, quick)
    if kept and kept["settings"] == result["settings"]:
        result = {key: kept[key] for key in (*result, "picture")}
    for seed in range(len(result["runs"]), 1 if quick else SEEDS):
        figures, shown = one_run(name, overrides | {"seed": seed}, digits, judge)
        result["runs"].append(figures)
        if seed == 0:
            result["picture"] = common.save_grid(shown, f"conditional-{name}", quick, SHOWN)
        result["goals"] = goals(name, result["runs"])
        common.save_result("conditional", result, quick, name)
    return result


def goals(name: str, runs: list[Result]) -> list[Result]:
    """The worst seed against each bound."""
    lowest = {key: min(run[key] for run in runs) for key in ("agreement", *SPACES)}
    return [
        common.goal("agreement, lowest seed", lowest["agreement"], AGREEMENT[name], True),
        *(
            common.goal(f"variety in {space}, lowest seed", lowest[space], VARIETY, True)
            for space in SPACES
        ),
    ]


def fingerprint(name: str) -> str:
    """Of a recipe's settings, so that figures of other settings are not taken for its own."""
    return blake2b(load_recipe(name).dump().encode(), digest_size=8).hexdigest()


@cache
def judged_digits(epochs: int) -> tuple[Dataset, Classifier, Result]:
    digits = open_data(Data())
    return digits, *trained_judge(digits, epochs)


def one_run(
    name: str, overrides: Result, digits: Dataset, judge: Classifier
) -> tuple[Result, Tensor]:
    """Train once; returns the figures and a row of samples for each class."""
    with common.scratch() as folder:
        run = sparring.train(name, out=folder / "run", overrides=overrides)
        summary = run.summary
        by_class = [run.sample(EACH, FIRST_SEED, label) for label in range(len(digits.classes))]
    figures = {
        "seed": overrides["seed"],
        "steps": summary["steps"],
        "best_step": summary["best"]["step"],
        "seconds": summary["seconds"],
        "test_scores": {k: record["value"] for k, record in summary["best"]["metrics"].items()},
    }
    figures |= agreement(judge, by_class) | variety(judge, by_class, digits)
    figures |= distances(torch.cat(by_class), digits)
    return figures, torch.cat([samples[:SHOWN] for samples in by_class])


def agreement(judge: Classifier, by_class: list[Tensor]) -> Result:
    """How often the judge sees the class that was asked for: over all, and in each class."""
    right = [
        (class_probabilities(judge, samples).argmax(1) == label).float().mean().item()
        for label, samples in enumerate(by_class)
    ]
    return {
        "agreement": round(sum(right) / len(right), 4),
        "agreement_worst_class": round(min(right), 4),
        "agreement_by_class": [round(share, 4) for share in right],
    }


def variety(judge: Classifier, by_class: list[Tensor], digits: Dataset) -> Result:
    """Mean distances inside the classes as shares of the real digits': mean and least."""
    real = training_digits(digits)
    shares: dict[str, list[float]] = {space: [] for space in SPACES}
    for samples, others in zip(by_class, real, strict=True):
        shares["pixels"].append(spread(pixels(samples)) / spread(pixels(others)))
        shares["features"].append(
            spread(features(judge, samples)) / spread(features(judge, others))
        )
    return {name: round(sum(found) / len(found), 4) for name, found in shares.items()} | {
        f"{name}_worst_class": round(min(found), 4) for name, found in shares.items()
    }


def training_digits(digits: Dataset) -> list[Tensor]:
    """The digits that GANs train on, class by class."""
    labels, values = digits.split_labels("train"), digits.split("train")
    assert labels is not None
    return [values[labels == label] for label in range(len(digits.classes))]


def pixels(images: Tensor) -> Tensor:
    return images.flatten(1).float() / 255


@torch.inference_mode()
def features(judge: Classifier, images: Tensor) -> Tensor:
    return judge.features(to_network(images, common.CPU))


def spread(points: Tensor) -> float:
    """The mean distance between two different points [N, D]."""
    return torch.pdist(points).mean().item()


def show(name: str, result: Result) -> None:
    columns = ("seed", "seconds", "agreement", "agreement_worst_class", "pixels", "features")
    rows = [{column: run[column] for column in columns} for run in result["runs"]]
    print(common.table(rows, f"{name}; the judge is right on {result['real']['agreement']:.1%}"))
    print(common.table(result["goals"]))


if __name__ == "__main__":
    main()
