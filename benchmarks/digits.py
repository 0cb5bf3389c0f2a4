"""The default recipe: how fast, how recognisable, how varied, and whether it copies.

    python -m benchmarks.digits [--quick] [--seeds 3]

The judge is a classifier that learned from the 1,000 digits no GAN trains on (500 of them choose
the best checkpoint); its accuracy on the other 4,000 is reported beside what it says of samples.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

import sparring
from benchmarks import common
from sparring.data import Dataset, open_data
from sparring.metrics.classifier import Classifier, accuracy, class_probabilities
from sparring.recipe import Data

WIDTH, EPOCHS = 32, 120
CONFIDENT = 0.9
FIRST_SEED = 10**6  # far from the latents that choose the best checkpoint
QUANTILES = (0.01, 0.1, 0.5)
NEAR = "nearer_than_held_out_1%"


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    seeds = range(1 if options.quick else options.seeds)
    count = 200 if options.quick else 2000
    overrides = {"steps": 60} if options.quick else {}

    digits = open_data(Data())
    judge, judged = trained_judge(digits, epochs=2 if options.quick else EPOCHS)
    watch = common.Watch()
    runs, pictures = [], None
    for seed in seeds:
        figures, samples = one_run(digits, judge, overrides | {"seed": seed}, count)
        runs.append(figures)
        if pictures is None:
            pictures = common.save_grid(samples[:100], "digits", options.quick)
    held_out = torch.cat([digits.split("select"), digits.split("test")])
    result = {
        "settings": {
            "recipe": "digits",
            "overrides": overrides,
            "samples": count,
            "confident": CONFIDENT,
            "distance": "Euclidean, pixels in [0, 1], to the nearest of the training images",
        },
        "judge": judged,
        "real": judgement(judge, digits.split("train")) | distances(held_out, digits),
        "runs": runs,
        "goals": goals(runs, judged),
        "picture": pictures,
        "machine": watch.record(),
    }
    path = common.save_result("digits", result, options.quick)
    show(result)
    print(f"\n{path}")


def one_run(
    digits: Dataset, judge: Classifier, overrides: dict[str, Any], count: int
) -> tuple[dict[str, Any], Tensor]:
    """Train once; returns the figures and the samples."""
    with common.scratch() as folder:
        started = time.perf_counter()
        run = sparring.train("digits", out=folder / "run", overrides=overrides)
        wall = time.perf_counter() - started
        summary = run.summary
        samples = run.sample(count, seed=FIRST_SEED)
    scores = {name: record["value"] for name, record in summary["best"]["metrics"].items()}
    figures = {
        "seed": overrides["seed"],
        "steps": summary["steps"],
        "seconds": summary["seconds"],
        "wall_seconds": round(wall, 1),
        "best_step": summary["best"]["step"],
        "verdict": summary["verdict"],
        "test_scores": scores,
    }
    return figures | judgement(judge, samples) | distances(samples, digits), samples


def trained_judge(digits: Dataset, epochs: int) -> tuple[Classifier, dict[str, Any]]:
    """The judge, from the cache if it has been trained before, and how good it is."""
    labels = digits.labels
    assert labels is not None
    seen = torch.cat([digits.splits["select"], digits.splits["test"]])
    name = f"judge-{digits.fingerprint}"
    judge = common.cached_classifier(name, digits.values[seen], labels[seen], epochs, WIDTH, True)
    others = digits.splits["train"]
    record = {
        "trained_on": len(seen),
        "epochs": epochs,
        "width": WIDTH,
        "augmented": True,
        "tested_on": len(others),
        "accuracy": round(accuracy(judge, digits.values[others], labels[others]), 4),
    }
    return judge, record


def judgement(judge: Classifier, images: Tensor) -> dict[str, Any]:
    """How sure the judge is of images, and how the classes it sees are shared out."""
    probabilities = class_probabilities(judge, images)
    classes = probabilities.argmax(1).bincount(minlength=10) / len(images)
    return {
        "confident_share": round((probabilities.amax(1) > CONFIDENT).float().mean().item(), 4),
        "class_share_min": round(classes.min().item(), 4),
        "class_share_max": round(classes.max().item(), 4),
        "class_shares": [round(share, 4) for share in classes.tolist()],
    }


def distances(images: Tensor, digits: Dataset) -> dict[str, Any]:
    """Distances to the nearest training image, and how many are nearer than held-out digits get.

    A copying generator has a far larger share than 1% below the 1% quantile of held-out digits.
    """
    held_out = torch.cat([digits.split("select"), digits.split("test")])
    nearest, reference = (nearest_training_image(x, digits) for x in (images, held_out))
    bound = reference.quantile(QUANTILES[0])
    return {
        "nearest_quantiles": {
            f"{q:.0%}": round(nearest.quantile(q).item(), 3) for q in QUANTILES
        },
        NEAR: round((nearest < bound).float().mean().item(), 4),
    }  # fmt: skip


def nearest_training_image(images: Tensor, digits: Dataset) -> Tensor:
    train = digits.split("train").flatten(1).float() / 255
    parts = (torch.cdist(part.flatten(1).float() / 255, train) for part in images.split(500))
    return torch.cat([part.amin(1) for part in parts])


def goals(runs: list[dict[str, Any]], judged: dict[str, Any]) -> list[dict[str, Any]]:
    """The worst run against each bound."""

    def of(name: str) -> list[float]:
        return [run[name] for run in runs]

    return [
        common.goal("training seconds, slowest", max(of("seconds")), 90, at_least=False),
        common.goal("accuracy of the judge", judged["accuracy"], 0.96, at_least=True),
        common.goal("confident share, lowest", min(of("confident_share")), 0.8, at_least=True),
        common.goal("rarest class", min(of("class_share_min")), 0.05, at_least=True),
        common.goal("commonest class", max(of("class_share_max")), 0.18, at_least=False),
        common.goal("as near as copies, highest", max(of(NEAR)), 0.05, at_least=False),
    ]


def show(result: dict[str, Any]) -> None:
    columns = ("confident_share", "class_share_min", "class_share_max", NEAR)
    rows = []
    for figures in (*result["runs"], result["real"]):
        quantiles = figures["nearest_quantiles"]
        rows.append(
            {"seed": figures.get("seed", "real"), "seconds": figures.get("seconds", "")}
            | {name: figures[name] for name in columns}
            | {f"nearest {q}": value for q, value in quantiles.items()}
        )
    print(common.table(rows, f"digits, judge right on {result['judge']['accuracy']:.1%}"))
    print("real: shares of the 4,000 training digits, distances of the 1,000 held-out ones")
    print(common.table(result["goals"]))
    print(f"quiet machine: {result['machine']['quiet']}")


if __name__ == "__main__":
    main()
