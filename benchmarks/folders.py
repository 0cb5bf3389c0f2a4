"""A folder of one's own pictures, one command: how good is the generator after some minutes?

    python -m benchmarks.folders [--quick] [--seconds 300] [--only emoji-32 ...]

Each part is `sparring train RECIPE --data FOLDER` with nothing else chosen but the size and the
time. Distances are against held-out pictures, on the features of a small network that learned to
tell the training pictures apart (which one is it, after small warps); beside them stands the
distance between two sets of held-out pictures, the least one can hope for. Training pictures are no
measure: the network knows them by heart, so that they look unlike any it has not seen.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

import sparring
from benchmarks import common
from benchmarks.pictures import emoji_folder, icon_folder
from sparring.data import Dataset, open_data, to_network
from sparring.metrics import Scorer
from sparring.metrics.classifier import Classifier, accuracy
from sparring.metrics.features import Extractor
from sparring.recipe import Data
from sparring.recipes import load_recipe

PARTS: dict[str, tuple[str, str, int | None]] = {
    "emoji-32": ("dcgan", "emoji", 32),
    "emoji-32-small": ("digits", "emoji", 32),
    "emoji-64": ("dcgan", "emoji", 64),
    "icons": ("dcgan", "icons", None),
}
WIDTH, EPOCHS = 16, 30
FIRST_SEED = 10**6
CPU = torch.device("cpu")


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--seconds", type=float, help="of wall clock for each training [300]")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    seconds = options.seconds or (20 if options.quick else 300)
    for part in options.only:
        watch = common.Watch()
        result = measure(part, seconds, options.quick) | {"machine": watch.record()}
        path = common.save_result("folders", result, options.quick, part)
        print(common.table([result["trained"] | result["scores"]], part))
        print(common.table([result["held_out_pictures"]], "other held-out pictures instead"))
        print(f"quiet machine: {result['machine']['quiet']}\n{path}", flush=True)


def measure(part: str, seconds: float, quick: bool) -> dict[str, Any]:
    """Train one part for so long and score what comes out."""
    recipe, pictures, size = PARTS[part]
    folder = emoji_folder() if pictures == "emoji" else icon_folder()
    dataset = open_data(Data(name=str(folder), size=size))
    scorer, learned = identity_scorer(f"{pictures}-{dataset.shape[-1]}", dataset, quick)
    count = 200 if quick else 2000
    with common.scratch() as scratch:
        started = time.time()
        overrides = {"data.size": size} if size else {}
        run = sparring.train(recipe, str(folder), scratch / "run", overrides, time_limit=seconds)
        samples = run.sample(count, seed=FIRST_SEED)
        summary, chosen = run.summary, load_recipe(run.folder.recipe)
        first = min(path.stat().st_mtime for path in run.folder.samples.glob("*.png")) - started
    return {
        "settings": {
            "command": f"sparring train {recipe} --data {pictures}"
            + (f" data.size={size}" if size else "")
            + f" --time {seconds:g}",
            "pictures": len(dataset.values),
            "shape": list(dataset.shape),
            "samples": count,
            "notes": list(dataset.notes),
            "features": learned,
        },
        "trained": {
            "seconds": summary["seconds"],
            "steps": summary["steps"],
            "steps_planned": chosen.steps,
            "batch_size": chosen.batch_size,
            "samples_per_second": summary["samples_per_second"],
            "first_picture_after_seconds": round(first, 1),
            "best_step": summary["best"]["step"],
        },
        "scores": score(scorer, samples),
        "held_out_pictures": score(scorer, dataset.split("select")),
        "picture": common.save_grid(samples[:100], f"folders-{part}", quick),
    }


def identity_scorer(name: str, dataset: Dataset, quick: bool) -> tuple[Scorer, dict[str, Any]]:
    """A scorer on the features of a network that says which training picture it sees.

    It sees negatives, so that what small warps bring into view is the white of the background.
    """
    images = 255 - dataset.split("train")
    labels = torch.arange(len(images))
    epochs = 1 if quick else EPOCHS
    classifier = common.cached_classifier(name, images, labels, epochs, WIDTH, augment=True)
    record = {
        "network": "which of the training pictures is it",
        "classes": len(images),
        "epochs": epochs,
        "accuracy_on_them": round(accuracy(classifier, images, labels), 4),
    }
    return Scorer(dataset, "test", extractor=features_of(classifier, name)), record


def features_of(classifier: Classifier, name: str) -> Extractor:
    def features(samples: Tensor) -> Tensor:
        return classifier.features(to_network(255 - samples, CPU))

    return Extractor(f"{name} identity", "penultimate (64)", "none", features)


def score(scorer: Scorer, samples: Tensor) -> dict[str, Any]:
    records = scorer.score(samples, ["fid", "kid"])
    return {name: round(record.value, 4) for name, record in records.items()} | {
        "kid_error": round(records["kid"].error or 0.0, 4),
        "real": len(scorer.real),
        "generated": len(samples),
    }


if __name__ == "__main__":
    main()
