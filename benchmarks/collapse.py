"""Methods against collapse, in settings where the plain game loses modes.

    python -m benchmarks.collapse [--quick] [--only ring ...]

Parts: ring (8 Gaussians) and grid (25 Gaussians), the plain logistic game and one method added at a
time; ring-slow and grid-slow, the same for a method that takes minutes; few-digits (500 training
digits, with and without augmentation). Beside ring and grid stand the figures that papers print for
the same data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import sparring
from benchmarks import common
from sparring.data import Dataset, open_data
from sparring.metrics.modes import nearest_modes
from sparring.recipe import Data

SEEDS, STEPS, SAMPLES, FIRST_SEED = 5, 3000, 2500, 10**6
DIGITS, DIGIT_STEPS, DIGIT_SAMPLES = 500, 1500, 2000

Result = dict[str, Any]

# The recipe with small networks and without what it adds against collapse; everything else is one
# change to this.
PLAIN: Result = {
    "penalties": [],
    "loss.pairing": "standard",
    "generator.width": [128, 128],
    "discriminator.width": [128, 128],
    "steps": STEPS,
    "evaluation.metrics": [],
    "snapshots": 1,
}
R1_R2 = [{"name": name, "weight": 0.1} for name in ("r1", "r2")]
METHODS: dict[str, Result] = {
    "plain logistic": {},
    "least squares": {"loss.name": "least-squares"},
    "minibatch stddev": {"discriminator.minibatch": "stddev"},
    "packing 2": {"discriminator.packing": 2},
    "packing 4": {"discriminator.packing": 4},
    "feature matching": {"terms": [{"name": "feature-matching"}]},
    "historical averaging": {"terms": [{"name": "historical-averaging", "weight": 0.01}]},
    "instance noise": {"instance_noise.std": 0.5},
    "two rates (D four times G)": {"optimizer.generator.lr": 2.5e-4},
    "wgan-gp": {
        "loss.name": "wasserstein",
        "penalties": [{"name": "gp", "weight": 1.0}],
        "repeats.discriminator": 5,
        "steps": STEPS // 2,
    },
    "R1 and R2": {"penalties": R1_R2},
    "relativistic pairs, R1 and R2": {"penalties": R1_R2, "loss.pairing": "relativistic-paired"},
}
# By itself: comparing all pairs of a batch takes it minutes where the others take seconds.
SLOW: dict[str, Result] = {
    "minibatch discrimination": {"discriminator.minibatch": "discrimination"},
}
# Modes, good samples in percent, reverse KL as Lin et al., 2018 (table 1) print them: mean of ten
# runs. Their networks, optimizer and lengths differ from ours; theirs are packs of the plain GAN.
PUBLISHED: dict[str, dict[str, Result]] = {
    "ring": {
        "plain logistic": {"modes": 6.3, "good": 98.2, "kl": 0.45},
        "minibatch discrimination": {"modes": 4.3, "good": 36.6, "kl": 1.93},
        "packing 2": {"modes": 7.9, "good": 95.6, "kl": 0.07},
        "packing 4": {"modes": 7.8, "good": 95.9, "kl": 0.07},
    },
    "grid": {
        "plain logistic": {"modes": 17.3, "good": 94.8, "kl": 0.70},
        "minibatch discrimination": {"modes": 23.8, "good": 79.9, "kl": 0.17},
        "packing 2": {"modes": 23.8, "good": 91.3, "kl": 0.13},
        "packing 4": {"modes": 24.8, "good": 93.6, "kl": 0.04},
    },
}
AUGMENTED: dict[str, Result] = {
    "none": {},
    "DiffAugment": {"augment.name": "diffaugment"},
    "DiffAugment, translation only": {
        "augment.name": "diffaugment",
        "augment.policy": ["translation"],
    },
    "ADA": {"augment.name": "ada", "augment.speed": 100_000},
}


def main() -> None:
    parts: dict[str, Callable[[bool], Result]] = {
        "ring": lambda quick: modes_of("ring", METHODS, quick),
        "grid": lambda quick: modes_of("grid", METHODS, quick),
        "ring-slow": lambda quick: modes_of("ring", SLOW, quick),
        "grid-slow": lambda quick: modes_of("grid", SLOW, quick),
        "few-digits": few_digits,
    }
    common.run_parts(__doc__, "collapse", parts, show)


def modes_of(name: str, methods: dict[str, Result], quick: bool) -> Result:
    """Every one of the methods on one mixture of Gaussians, over the seeds."""
    dataset = open_data(Data(name=name))
    runs, summary = [], []
    for method, changes in methods.items():
        mine = []
        for seed in range(1 if quick else SEEDS):
            overrides = PLAIN | changes | {"seed": seed} | ({"steps": 100} if quick else {})
            mine.append({"method": method} | mode_row(name, dataset, overrides))
            print(mine[-1], flush=True)
        runs += mine
        summary.append(mode_summary(name, method, mine))
    return {
        "settings": {
            "recipe": name,
            "plain": PLAIN,
            "methods": methods,
            "samples": SAMPLES,
            "scored": "the averaged generator at the end; good: within three deviations of a mode",
            "kl": "of good samples' shares of modes to the true, equal ones, in nats",
            "published": "Lin et al., 2018, table 1; other networks and lengths",
        },
        "summary": summary,
        "runs": runs,
    }


def mode_row(name: str, dataset: Dataset, overrides: Result) -> Result:
    """Train once; modes with a good sample, the share of good ones, how uneven they are."""
    with common.scratch() as folder:
        run = sparring.train(name, out=folder / "run", overrides=overrides)
        samples, seconds = run.sample(SAMPLES, seed=FIRST_SEED), run.summary["seconds"]
    index, good = nearest_modes(samples, dataset)
    counts = index[good].bincount(minlength=len(dataset.modes.centers)).double()
    shares = counts / counts.sum().clamp(min=1)
    kl = torch.special.xlogy(shares, shares * len(counts)).sum().item()
    return {
        "seed": overrides["seed"],
        "seconds": seconds,
        "modes": int((counts > 0).sum()),
        "of": len(counts),
        "good": round(100 * good.float().mean().item(), 2),
        "kl": round(kl, 4) if counts.sum() else None,
    }


def mode_summary(name: str, method: str, runs: list[Result]) -> Result:
    """Means over the seeds, fewest modes, and what a paper prints."""
    modes = [run["modes"] for run in runs]
    kls = [run["kl"] for run in runs if run["kl"] is not None]
    paper = PUBLISHED[name].get(method, {})
    return {
        "method": method,
        "modes": round(float(np.mean(modes)), 1),
        "fewest": min(modes),
        "good": round(float(np.mean([run["good"] for run in runs])), 1),
        "kl": round(float(np.mean(kls)), 3) if kls else None,
        "paper_modes": paper.get("modes"),
        "paper_good": paper.get("good"),
        "paper_kl": paper.get("kl"),
    }


def few_digits(quick: bool) -> Result:
    """The default recipe on 500 digits: the last generator, with and without augmentation."""
    whole = open_data(Data(name="mnist5k"))
    splits = whole.splits | {"train": whole.splits["train"][:DIGITS]}
    dataset = replace(whole, name="mnist5k-500", splits=splits)
    runs, summary = [], []
    for method, changes in AUGMENTED.items():
        mine = []
        for seed in range(1 if quick else SEEDS):
            overrides = {
                "steps": 60 if quick else DIGIT_STEPS,
                "evaluation.metrics": [],
                "snapshots": 1,
                "seed": seed,
                **changes,
            }
            mine.append({"method": method} | digit_row(dataset, overrides))
            print(mine[-1], flush=True)
        runs += mine
        middle = {key: round(float(np.mean([run[key] for run in mine])), 3) for key in MEASURED}
        summary.append({"method": method, **middle})
    return {
        "settings": {
            "recipe": "digits",
            "methods": AUGMENTED,
            "training_digits": DIGITS,
            "steps": DIGIT_STEPS,
            "samples": DIGIT_SAMPLES,
            "scored": "the generator after the last step, against 500 test digits",
        },
        "summary": summary,
        "runs": runs,
    }


MEASURED = ("fid", "kid", "recall", "precision", "coverage", "memorization")


def digit_row(dataset: Dataset, overrides: Result) -> Result:
    """Train once and score the generator after the last step."""
    with common.scratch() as folder:
        run = sparring.train("digits", dataset, folder / "run", overrides)
        scores = run.evaluate(MEASURED, DIGIT_SAMPLES)
        last = run.folder.read_history()[-1]
        seconds = run.summary["seconds"]
    return {
        "seed": overrides["seed"],
        "seconds": seconds,
        **{name: round(scores[name]["value"], 4) for name in MEASURED},
        "p": last.get("augment/p"),
    }


def show(part: str, result: Result) -> None:
    print(common.table(result["summary"], part))


if __name__ == "__main__":
    main()
