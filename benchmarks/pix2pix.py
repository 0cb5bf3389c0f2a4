"""Edges to Fashion-MNIST: the recipe against the same generator trained on pixels alone.

    python -m benchmarks.pix2pix [--quick] [--only edges]

Both are the recipe `pix2pix` with the same steps, networks and first weights; for `pixels` the L1
term is all there ever is (`pretraining` to the end). Scores are of 2,000 drawings of test images
against the 10,000 test images, on the features of a classifier that learned from the training
images; those 2,000 are among the 10,000, which helps both alike. `real` are training images.
"""

from __future__ import annotations

from typing import Any

import sparring
from benchmarks import common
from benchmarks.fashion import fashion_mnist
from sparring.data import Dataset
from sparring.data.domains import with_inputs
from sparring.games import Pictures, generate
from sparring.metrics import Made, Scorer
from sparring.metrics.classifier import accuracy
from sparring.metrics.features import classifier_features
from sparring.recipe import Data

COUNT, SHOWN = 2000, 24
LEARNED_FROM, EPOCHS, WIDTH = 20_000, 4, 32  # of the classifier
ALONE = {"pretraining.samples": 10**9, "pretraining.loss": "l1"}
STEPS = 3000  # the recipe's, which more images than its own would make more
COMMON = {
    "steps": STEPS,
    "evaluation.metrics": ["kid", "l1"],
    "evaluation.final_metrics": [],
    "snapshots": 2,
}

Result = dict[str, Any]


def edges(quick: bool) -> Result:
    """Both generators, and what they make of the same drawings."""
    data = with_inputs(fashion_mnist(), Data.model_validate({"inputs": "edges"}))
    scorer, classified = scored_by(data, quick)
    pictures = Pictures(data, "test")
    seeds = range(100 if quick else COUNT)
    inputs, truth = pictures.of(seeds), pictures.wanted(seeds)
    assert truth is not None
    rows, columns = [], [inputs.z[:SHOWN]]
    for name, overrides in (("pixels", ALONE), ("pix2pix", {})):
        changes = COMMON | overrides | ({"steps": 20} if quick else {})
        with common.scratch() as folder:
            run = sparring.train("pix2pix", data, folder / "run", changes)
            samples = generate(sparring.load(run.path), inputs, images=True)
            rows.append(
                {"generator": name}
                | score(scorer, Made(samples, wanted=truth))
                | {"steps": run.summary["steps"], "seconds": run.summary["seconds"]}
            )
        columns.append(samples[:SHOWN])
    real = data.split("train")[: len(truth)]
    rows.append({"generator": "real"} | score(scorer, Made(real)))
    pixels, ours = rows[0], rows[1]
    return {
        "outcome": "Drawings, what pixels alone make of them, what pix2pix does, the originals",
        "settings": {"overrides": COMMON, "pixels": ALONE, "classifier": classified},
        "goals": [
            common.goal("distance over that of pixels", ours["fid"] / pixels["fid"], 1, False),
            common.goal("L1", ours["l1"], 0.1, False),
        ],
        "scores": rows,
        "picture": common.save_rows([*columns, truth[:SHOWN]], "pix2pix-edges", quick),
    }


def scored_by(data: Dataset, quick: bool) -> tuple[Scorer, Result]:
    """A scorer on the features of a classifier of clothes, and how good that one is."""
    assert data.labels is not None
    seen = data.splits["train"][: 2000 if quick else LEARNED_FROM]
    epochs = 1 if quick else EPOCHS
    of = data.values[seen], data.labels[seen]
    classifier = common.cached_classifier("fashion", *of, epochs, WIDTH, augment=False)
    test = data.splits["test"]
    right = accuracy(classifier, data.values[test], data.labels[test])
    record = {"trained_on": len(seen), "epochs": epochs, "test_accuracy": round(right, 4)}
    return Scorer(data, "test", extractor=classifier_features(classifier, "fashion")), record


def score(scorer: Scorer, made: Made) -> Result:
    names = ["fid", "kid", *(["l1", "psnr"] if made.wanted is not None else [])]
    found = scorer.estimates(made, names)
    return {name: round(found[name].value, 4) if name in found else None for name in
            ("fid", "kid", "l1", "psnr")}  # fmt: skip


PARTS = {"edges": edges}


def show(name: str, result: Result) -> None:
    whole = [row for row in result["scores"] if "steps" in row]
    print(common.table(whole, name))
    print(common.table(result["goals"]))


def main() -> None:
    common.run_parts(__doc__, "pix2pix", PARTS, show)


if __name__ == "__main__":
    main()
