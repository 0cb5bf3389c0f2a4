"""Few labelled digits: does a classifier learn more with generated ones beside them?

    python -m benchmarks.scarce [--quick] [--only few-20 few-50 few-100]

For 20, 50 and 100 digits a class and five draws of them: `cdcgan` trains on these alone, and three
classifiers, all by the same number of batches, on the real ones, on these with as many generated
ones between them, and on generated ones only (the classification accuracy score of Ravuri and
Vinyals, 2019). Each is tested on the 1,000 held-out digits, once trained with small warps of its
images and once without.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import Any

import torch
from torch import Tensor

import sparring
from benchmarks import common
from sparring.data import Dataset, open_data
from sparring.metrics.classifier import accuracy, train_classifier
from sparring.recipe import Data
from sparring.scoring import STUDENT

SEEDS = 5
FEW = (20, 50, 100)  # real digits of a class
EACH = 100  # images of a class that a classifier is given of either kind, real ones repeated
UPDATES, BATCH, WIDTH = 200, 100, 8  # of a classifier
GAN = {
    "steps": 800,
    "batch_size": 32,
    "tick": 200,
    "snapshots": 1,
    "evaluation.metrics": [],
    "evaluation.every": 0,
    "checkpoint_seconds": 600,
}
FIRST_SEED = 10**6

Result = dict[str, Any]


def main() -> None:
    parts = {f"few-{count}": partial(measure, count) for count in FEW}
    common.run_parts(__doc__, "scarce", parts, show)


def measure(count: int, quick: bool) -> Result:
    """All draws of so many digits a class; draws of before are kept."""
    digits = open_data(Data())
    overrides = GAN | ({"steps": 20} if quick else {})
    settings = {"real_each_class": count, "given_each_class": EACH, "overrides": overrides}
    settings |= {"updates": 6 if quick else UPDATES, "batch": BATCH, "width": WIDTH}
    result: Result = {"settings": settings, "runs": []}
    kept = common.saved_part("scarce", f"few-{count}", quick)
    if kept and kept["settings"] == settings:
        result["runs"] = kept["runs"]
    for seed in range(len(result["runs"]), 1 if quick else SEEDS):
        result["runs"].append(one_draw(digits, count, seed, settings))
        result |= summary(count, result["runs"])
        common.save_result("scarce", result, quick, f"few-{count}")
    return result


def one_draw(digits: Dataset, count: int, seed: int, settings: Result) -> Result:
    """Accuracies after training on one draw of real digits and on what a GAN makes of them."""
    few = drawn(digits, count, seed)
    values, labels = few.split("train"), few.split_labels("train")
    assert labels is not None
    each = range(len(digits.classes))
    with common.scratch() as folder:
        overrides = settings["overrides"] | {"seed": seed}
        run = sparring.train("cdcgan", few, folder / "run", overrides)
        made = torch.cat([run.sample(EACH, FIRST_SEED, label) for label in each])
        seconds = run.summary["seconds"]
    made_labels = torch.arange(len(each)).repeat_interleave(EACH)
    real = values.repeat(EACH // count, 1, 1, 1), labels.repeat(EACH // count)
    both = torch.cat([real[0], made]), torch.cat([real[1], made_labels])
    kinds = {"real": real, "both": both, "generated": (made, made_labels)}
    figures: Result = {"seed": seed, "gan_seconds": seconds}
    for ending, augment in (("", False), ("_warped", True)):
        for kind, (images, of) in kinds.items():
            reached = learned(digits, images, of, seed, augment, settings["updates"])
            figures[f"{kind}{ending}"] = reached
    return figures


def drawn(digits: Dataset, count: int, seed: int) -> Dataset:
    """The digits with only `count` of each class left to train on."""
    train = digits.splits["train"]
    assert digits.labels is not None
    order = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))]
    chosen = [order[digits.labels[order] == label][:count] for label in range(10)]
    splits = digits.splits | {"train": torch.cat(chosen)}
    name = f"{count} digits of each class"
    return Dataset(name, digits.values, splits, digits.labels, digits.classes)


def learned(
    digits: Dataset, images: Tensor, labels: Tensor, seed: int, augment: bool, updates: int
) -> float:
    """Accuracy on the held-out digits after so many updates on these."""
    epochs = updates // (len(images) // BATCH)
    classifier = train_classifier(images, labels, max(epochs, 1), seed, WIDTH, augment)
    held_out = torch.cat([digits.splits["select"], digits.splits["test"]])
    assert digits.labels is not None
    return round(accuracy(classifier, digits.values[held_out], digits.labels[held_out]), 4)


def summary(count: int, runs: list[Result]) -> Result:
    """What generated digits add to the accuracy, in points, with Student's 95% interval."""
    rows = []
    for ending, words in (("", "as they are"), ("_warped", "with small warps")):
        gains = [100 * (run[f"both{ending}"] - run[f"real{ending}"]) for run in runs]
        means = {
            kind: 100 * statistics.fmean(run[f"{kind}{ending}"] for run in runs)
            for kind in ("real", "both", "generated")
        }
        low, high = interval(gains)
        helps = "yes" if low > 0 else "harms" if high < 0 else "cannot be told"
        rows.append(
            {"real_each_class": count, "images": words, "draws": len(runs)}
            | {kind: round(mean, 2) for kind, mean in means.items()}
            | {"gain": round(statistics.fmean(gains), 2), "low": low, "high": high, "helps": helps}
        )
    return {"rows": rows}


def interval(gains: list[float]) -> tuple[float, float]:
    """Of the mean of paired differences; one of them alone says nothing."""
    mean = statistics.fmean(gains)
    if len(gains) < 2:
        return -100.0, 100.0
    half = STUDENT[len(gains) - 1] * statistics.stdev(gains) / len(gains) ** 0.5
    return round(mean - half, 2), round(mean + half, 2)


def show(name: str, result: Result) -> None:
    print(common.table(result["rows"], f"{name}: accuracy in % on 1,000 held-out digits"))


if __name__ == "__main__":
    main()
