"""The default recipe against the MLP tutorial on Fashion-MNIST, after the same training time.

    python -m benchmarks.fashion [--quick] [--seconds 90]

The clock of both runs while they train and stands while samples are scored, drawn or saved. Both
train on the 60,000 training images and are compared with the 10,000 test images on the features
of a classifier that learned the ten classes from the training images.
"""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import sparring
from benchmarks import common, tutorial
from sparring.data import Dataset, to_samples
from sparring.metrics import Scorer
from sparring.metrics.classifier import accuracy
from sparring.metrics.features import classifier_features
from sparring.recipes import load_recipe

FOLDER = Path("/usr/share/datasets/fashion-mnist")
PACKAGE = "dataset-fashion-mnist"
WIDTH, EPOCHS = 32, 5
LATENT, BATCH = 100, 128  # of the tutorial
FIRST_SEED = 10**6
UNSCORED = {"evaluation.every": 0, "evaluation.metrics": [], "checkpoint_seconds": 1e6}


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--seconds", type=float, help="of training each [90]")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    seconds = options.seconds or (6 if options.quick else 90)
    count = 500 if options.quick else 10_000

    data = fashion_mnist()
    scorer, classified = trained_scorer(data, options.quick)
    watch = common.Watch()
    ours, samples = default_recipe(data, seconds, count, options.seed)
    theirs, drawn = tutorial_loop(data, max(seconds, ours["seconds"]), count, options.seed)
    result = {
        "settings": {
            "seconds": seconds,
            "seed": options.seed,
            "samples": count,
            "tutorial": "mlp-mnist: per-sample transforms, DataLoader, fp32, sigmoid and BCELoss",
        },
        "classifier": classified,
        "real_against_real": score(scorer, data.split("train")[:count]),
        "default": ours | score(scorer, samples),
        "tutorial": theirs | {mode: score(scorer, x) for mode, x in drawn.items()},
    }
    result["ratio"] = round(result["default"]["fid"] / best_mode(result)["fid"], 4)
    late = ours["seconds"] / seconds
    result["goals"] = [
        common.goal("distance, default to tutorial", result["ratio"], 0.2, at_least=False),
        common.goal("default's time to the time set", round(late, 3), 1.02, at_least=False),
    ]
    result["pictures"] = [
        common.save_grid(samples[:100], "fashion-default", options.quick),
        common.save_grid(drawn["training mode"][:100], "fashion-tutorial", options.quick),
    ]
    result["machine"] = watch.record()
    path = common.save_result("fashion", result, options.quick)
    show(result)
    print(f"\n{path}")


def fashion_mnist() -> Dataset:
    """Fashion-MNIST as Debian packages it; no checkpoint is chosen, so `select` is a stand-in."""
    if not FOLDER.is_dir():
        raise SystemExit(f"Fashion-MNIST is not here: apt-get install {PACKAGE}")
    images = [read_idx(f"{part}-images-idx3-ubyte.gz") for part in ("train", "t10k")]
    labels = [read_idx(f"{part}-labels-idx1-ubyte.gz") for part in ("train", "t10k")]
    train, test = (torch.arange(len(part)) for part in labels)
    return Dataset(
        "fashion-mnist",
        torch.from_numpy(np.concatenate(images)).unsqueeze(1),
        {"train": train, "select": train[:1000], "test": len(train) + test},
        labels=torch.from_numpy(np.concatenate(labels).astype(np.int64)),
        description="70,000 pictures of clothes, 28x28 grey",
        licence="MIT (Zalando)",
    )


def read_idx(name: str) -> np.ndarray:
    """An array of bytes in the IDX format: a magic number, the sizes, the values."""
    with gzip.open(FOLDER / name) as file:
        content = file.read()
    dimensions = content[3]
    sizes = np.frombuffer(content, ">i4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(sizes).copy()


def trained_scorer(data: Dataset, quick: bool) -> tuple[Scorer, dict[str, Any]]:
    """A scorer against the test images, on a classifier's features, and how good that one is."""
    assert data.labels is not None
    seen = data.splits["train"][: 2000 if quick else None]
    epochs = 1 if quick else EPOCHS
    classifier = common.cached_classifier(
        "fashion", data.values[seen], data.labels[seen], epochs, WIDTH, augment=False
    )
    test = data.splits["test"]
    record = {
        "trained_on": len(seen),
        "epochs": epochs,
        "width": WIDTH,
        "features": 64,
        "test_accuracy": round(accuracy(classifier, data.values[test], data.labels[test]), 4),
    }
    extractor = classifier_features(classifier, "fashion classifier")
    return Scorer(data, "test", extractor=extractor), record


def score(scorer: Scorer, samples: Tensor) -> dict[str, Any]:
    records = scorer.score(samples, ["fid", "kid"])
    flags = [flag for record in records.values() for flag in record.flags]
    return {name: round(record.value, 4) for name, record in records.items()} | {"flags": flags}


def default_recipe(
    data: Dataset, seconds: float, count: int, seed: int
) -> tuple[dict[str, Any], Tensor]:
    """The default recipe until that much training time is used.

    How many steps that is shows only on the way: the run is made longer, which leaves it as if it
    had been that long from the start, since none of its schedules depends on the end.
    """
    recipe = load_recipe("digits")
    schedules = (recipe.optimizer.generator.schedule, recipe.optimizer.discriminator.schedule)
    assert all(schedule.name == "constant" for schedule in schedules)
    overrides = {"seed": seed, "steps": 300, "snapshots": 1, **UNSCORED}
    with common.scratch() as folder:
        run = sparring.train("digits", data, folder / "run", overrides)
        for share in (0.5, 0.8, 0.95, 1.0):
            ticks = run.folder.read_history()
            recent = ticks[len(ticks) // 2 - 1 :]  # the first steps are slower
            each = (recent[-1]["seconds"] - recent[0]["seconds"]) / (
                recent[-1]["step"] - recent[0]["step"]
            )
            left = share * seconds - recent[-1]["seconds"]
            overrides["steps"] += max(int(left / each), 0) // recipe.tick * recipe.tick
            run = sparring.train("digits", data, run.path, overrides, resume=True)
        samples = run.sample(count, seed=FIRST_SEED)
        summary = run.summary
    return {
        "steps": summary["steps"],
        "seconds": summary["seconds"],
        "images_seen": summary["samples_seen"],
        "overrides": overrides,
    }, samples


def tutorial_loop(
    data: Dataset, seconds: float, count: int, seed: int
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The tutorial's loop; its generator is sampled as it does and, kinder, in eval mode."""
    torch.manual_seed(seed)
    generator, discriminator = tutorial.mlp_networks(LATENT)
    training = tutorial.picture_steps(data.split("train"), generator, discriminator, LATENT, BATCH)
    steps, losses, started = 0, (0.0, 0.0), time.perf_counter()
    while time.perf_counter() - started < seconds:
        losses = next(training)
        steps += 1
    elapsed = time.perf_counter() - started
    z = torch.randn(count, LATENT)
    return {
        "steps": steps,
        "seconds": round(elapsed, 2),
        "epochs": round(steps * BATCH / len(data.splits["train"]), 2),
        "last_losses": [round(loss, 4) for loss in losses],
    }, {
        "training mode": pictures_of(generator.train(), z),
        "eval mode": pictures_of(generator.eval(), z),
    }


@torch.no_grad()
def pictures_of(generator: nn.Module, z: Tensor) -> Tensor:
    parts = [to_samples(generator(part), images=True) for part in z.split(BATCH)]
    return torch.cat(parts).view(-1, 1, 28, 28)


def best_mode(result: dict[str, Any]) -> dict[str, Any]:
    """The lower distance of the tutorial's two ways of sampling: the one to compare with."""
    modes = [value for value in result["tutorial"].values() if isinstance(value, dict)]
    return min(modes, key=lambda mode: mode["fid"])


def show(result: dict[str, Any]) -> None:
    named = {"default recipe": result["default"], "real, training images":
             result["real_against_real"]}  # fmt: skip
    for mode in ("training mode", "eval mode"):
        named[f"tutorial, {mode}"] = result["tutorial"] | result["tutorial"][mode]
    rows = [
        {
            "what": name,
            "seconds": figures.get("seconds", ""),
            "steps": figures.get("steps", ""),
            "fid": figures["fid"],
            "kid": figures["kid"],
        }
        for name, figures in named.items()
    ]
    right = result["classifier"]["test_accuracy"]
    print(common.table(rows, f"Fashion-MNIST, classifier right on {right:.1%}"))
    print(common.table(result["goals"]))
    print(f"quiet machine: {result['machine']['quiet']}")


if __name__ == "__main__":
    main()
