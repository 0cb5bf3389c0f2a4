"""The style generator: its samples, styles and projections, and `dcgan` in the same time.

    python -m benchmarks.stylegan2 [--quick] [--only path-length recipe digits-32 colour sizes]

`path-length` trains with and without that term and looks at the lengths over time. `recipe` trains
the recipe as shipped: scores, truncation, mixtures, and projections of 50 digits that it has not
seen, against the nearest training images. `digits-32` and `colour` train it and `dcgan` as shipped,
each for SECONDS of wall clock, on digits and on pictures of an emoji font at 32x32 pixels. `sizes`
counts and times what larger images cost.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

import sparring
from benchmarks import common
from benchmarks.folders import identity_scorer
from benchmarks.pictures import emoji_folder
from benchmarks.sizes import RATE
from benchmarks.sizes import sizes as counted_sizes
from benchmarks.style_lengths import path_length
from sparring.data import Dataset, open_data, to_network
from sparring.metrics import Scorer
from sparring.metrics.classifier import shipped_classifier
from sparring.metrics.extractor import Extractor
from sparring.model import read_model
from sparring.projection import project_images
from sparring.recipe import Data, Recipe
from sparring.recipes import load_recipe
from sparring.run import RunFolder

G = "generator"
SECONDS = 270.0
FIRST_SEED = 10**6  # far from the latents that choose the best checkpoint
SHARES = (0.0, 0.25, 0.5, 0.7, 0.85, 1.0)
SCORES = ("fid", "kid", "precision", "recall")
PROJECTED, SHOWN = 50, 16
PUBLISHED = {
    "generator.styles": 512,
    "generator.depth": 8,
    "generator.image": "sum",
    "generator.norm": "none",
}

Result = dict[str, Any]


def recipe(quick: bool) -> Result:
    """The recipe as shipped, and what can be done with its styles."""
    count = 200 if quick else 2000
    with common.scratch() as folder:
        run = sparring.train("stylegan2", out=folder / "run", overrides=short(quick))
        summary, dataset = run.summary, open_data(load_recipe(run.folder.recipe).data)
        scorer = Scorer(dataset, "test")
        samples = run.sample(count, FIRST_SEED)
        result = {
            "settings": {"recipe": "stylegan2", "overrides": short(quick), "samples": count},
            "trained": trained(summary),
            "scores": scores(scorer, samples),
            "truncation": truncation(run, scorer, count),
            "projection": projection(run.path, dataset, quick),
            "pictures": pictures(run, quick),
        }
    result["goals"] = goals(result)
    return result


def goals(result: Result) -> list[Result]:
    diversity = [row["diversity"] for row in result["truncation"]]
    falls = all(less < more for less, more in pairwise(diversity))
    found = [common.goal("diversity falls at each truncation", float(falls), 1, True)]
    return found + [
        common.goal(
            f"{row['distance']}: projection over nearest training image",
            round(row["projection"] / row["nearest_training_image"], 3),
            1,
            False,
        )
        for row in result["projection"]["distances"]
    ]


def short(quick: bool) -> Result:
    return {"steps": 40, "evaluation.samples": 100} if quick else {}


def trained(summary: Result) -> Result:
    kept = ("seconds", "steps", "samples_seen", "samples_per_second")
    return {key: summary[key] for key in kept} | {"best_step": summary["best"]["step"]}


def scores(scorer: Scorer, samples: Tensor) -> Result:
    return {name: round(one.value, 4) for name, one in scorer.score(samples, SCORES).items()}


def truncation(run: sparring.Run, scorer: Scorer, count: int) -> list[Result]:
    """Diversity and scores of the same latents, drawn to the mean style by as much."""
    rows = []
    for share in SHARES:
        samples = run.sample(count, FIRST_SEED, truncation=share)
        found = scorer.score(samples, ("lpips", *SCORES))
        row = {"truncation": share, "diversity": round(found.pop("lpips").value, 4)}
        rows.append(row | {name: round(one.value, 4) for name, one in found.items()})
    return rows


def projection(path: Path, dataset: Dataset, quick: bool) -> Result:
    """How near projections of held-out digits come, and the nearest training images."""
    targets = dataset.split("test")[: 5 if quick else PROJECTED]
    model = read_model(RunFolder(path).model)
    found = project_images(model, targets, 20) if quick else project_images(model, targets)
    training = dataset.split("train")
    rows, nearest = [], None
    for name, view in (("pixels (RMSE)", pixels), ("features", features)):
        ours = (view(found.images) - view(targets)).square().sum(1).sqrt()
        near = torch.cdist(view(targets), view(training)).min(1)
        nearest = training[near.indices] if nearest is None else nearest
        scale = targets[0].numel() ** 0.5 if view is pixels else 1.0
        rows.append(
            {
                "distance": name,
                "projection": round(ours.mean().item() / scale, 4),
                "nearest_training_image": round(near.values.mean().item() / scale, 4),
                "nearer_share": round((ours < near.values).float().mean().item(), 3),
            }
        )
    shown = torch.cat([part[:SHOWN] for part in (targets, found.images, nearest)])
    picture = common.save_grid(shown, "stylegan2-projection", quick, min(SHOWN, len(targets)))
    return {"targets": len(targets), "distances": rows, "picture": picture}


def pixels(images: Tensor) -> Tensor:
    return images.flatten(1).float() / 255


@torch.inference_mode()
def features(images: Tensor) -> Tensor:
    return shipped_classifier().features(to_network(images, common.CPU))


def pictures(run: sparring.Run, quick: bool) -> Result:
    """Samples, the same latents at several truncations, mixtures, a walk."""
    by_share = [run.sample(12, FIRST_SEED, truncation=share) for share in SHARES[::-1]]
    mixed = sparring.style_mix(run.path, 6, 11, FIRST_SEED)
    walked = sparring.sample(run.path, 48, FIRST_SEED, interpolate=True)
    return {
        "samples": common.save_grid(run.sample(60, FIRST_SEED), "stylegan2-digits", quick, 20),
        "truncation": common.save_grid(torch.cat(by_share), "stylegan2-truncation", quick, 12),
        "mixing": common.save_grid(mixed, "stylegan2-mixing", quick, 12),
        "walk": common.save_grid(walked, "stylegan2-walk", quick, 8),
    }


def digits_32(quick: bool) -> Result:
    """Both recipes on digits of 32x32 pixels, for the same time."""
    dataset = open_data(Data(size=32))
    classifier = shipped_classifier()

    def seen(samples: Tensor) -> Tensor:
        smaller = interpolate(samples.float(), (28, 28), mode="bilinear", antialias=True)
        return classifier.features(smaller / 127.5 - 1)

    extractor = Extractor("classifier", "penultimate (64)", "antialiased to 28x28", seen)
    scorer = Scorer(dataset, "test", extractor=extractor)
    return side_by_side("digits-32", "mnist5k", scorer, quick)


def colour(quick: bool) -> Result:
    """Both recipes on colour pictures of 32x32 pixels, for the same time."""
    folder = str(emoji_folder())
    dataset = open_data(Data(name=folder, size=32))
    scorer, learned = identity_scorer("emoji-32", dataset, quick)
    return side_by_side("colour", folder, scorer, quick) | {"features": learned}


def side_by_side(name: str, data: str, scorer: Scorer, quick: bool) -> Result:
    """Train each for SECONDS of wall clock, evaluation included, and score what comes out."""
    seconds, count = (15.0, 200) if quick else (SECONDS, 2000)
    overrides = {"data.size": 32, "steps": 10**6, "evaluation.features": "random"}
    rows, shown = [], []
    for each in ("stylegan2", "dcgan"):
        chosen = overrides | {"evaluation.every": 500 * load_recipe(each).batch_size}
        with common.scratch() as folder:
            run = sparring.train(each, data, folder / "run", chosen, time_limit=seconds)
            samples = run.sample(count, FIRST_SEED)
            rows.append({"recipe": each} | trained(run.summary) | scores(scorer, samples))
        shown.append(samples[:30])
    real = scores(scorer, scorer.dataset.split("select"))
    best = min(rows, key=lambda row: row["fid"])
    return {
        "settings": {"seconds": seconds, "overrides": overrides, "samples": count},
        "runs": rows,
        "held_out_images": real,
        "nearer": best["recipe"],
        "picture": common.save_grid(torch.cat(shown), f"stylegan2-{name}", quick, 15),
    }


def sizes(quick: bool) -> Result:
    """The networks of the paper at each size, as many channels as published."""

    def at(side: int) -> Recipe:
        # Up to 512 at the smallest maps, as published at 256 pixels and at 1024.
        width = 32 if side == 1024 else 64
        wide = {"width": width, "growth": 512 // width}
        own = {f"{player}.{k}": v for player in (G, "discriminator") for k, v in wide.items()}
        return load_recipe("stylegan2", own | {"latent.size": 512, **PUBLISHED})

    pixels = (64,) if quick else (64, 128, 256, 512, 1024)
    rows = counted_sizes(at, pixels, run_up_to=0 if quick else 128, batch_size=32)
    return {"settings": {"gpu": f"{RATE / 1e12:g} TFLOP/s", "precision": "fp32"}, "rows": rows}


PARTS: dict[str, Callable[[bool], Result]] = {
    "path-length": path_length,
    "recipe": recipe,
    "digits-32": digits_32,
    "colour": colour,
    "sizes": sizes,
}


def show(name: str, result: Result) -> None:
    for key in ("goals", "truncation", "runs", "rows"):
        if key in result:
            print(common.table(result[key], f"{name} {key}"))
    if "projection" in result:
        print(common.table(result["projection"]["distances"], "projection"))


def main() -> None:
    common.run_parts(__doc__, "stylegan2", PARTS, show)


if __name__ == "__main__":
    main()
