"""Runs: seconds of training alone against the distance to held-out pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks import common, fashion
from benchmarks.time_to_quality.trainees import Trainee, trainee
from sparring.data import Dataset, open_data
from sparring.metrics import Scorer
from sparring.recipe import Data

SAMPLES = 2000
FIRST, APART = 1.0, 1.15  # seconds of the first look; each further one is that much later

Run = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """A data set, what its scores look at, and how many seconds each trains."""

    open: Callable[[], Dataset]
    scorer: Callable[[Dataset, bool], Scorer]
    seconds: dict[str, float]
    levels: tuple[float, ...]


SETTINGS = {
    "fashion-mnist": Setting(
        fashion.fashion_mnist,
        lambda data, quick: fashion.trained_scorer(data, quick)[0],
        {
            "digits": 60,
            "mlp-mnist": 60,
            "dcgan": 90,
            "sngan": 120,
            "r3gan": 120,
            "tutorial-mlp": math.inf,  # its 30 epochs
            "tutorial-dcgan": 300,
        },
        (100.0, 50.0, 30.0),
    ),
    "mnist5k": Setting(
        lambda: open_data(Data()),
        lambda data, quick: Scorer(data, "test"),
        {
            "digits": 60,
            "mlp-mnist": 60,
            "dcgan": 90,
            "sngan": 120,
            "r3gan": 120,
            "tutorial-mlp": 90,
            "tutorial-dcgan": 120,
        },
        (100.0, 50.0, 30.0),
    ),
}


def run(data: str, who: str, seed: int, quick: bool) -> Run:
    """Train once, looking now and then; the clock stands while samples are made and scored."""
    setting = SETTINGS[data]
    dataset = setting.open()
    scorer = setting.scorer(dataset, quick)
    watch = common.Watch()
    trained = trainee(who, dataset, seed)
    limit = 3.0 if quick else setting.seconds[who]
    looks: list[dict[str, Any]] = []
    seconds, following = 0.0, FIRST
    while not looks or (seconds < limit and not trained.over):
        seconds += trained.train(min(following, limit) - seconds)
        looks.append({"seconds": round(seconds, 2), **look(trained, scorer, quick)})
        while following <= seconds:
            following *= APART
    found = watch.record()
    last = looks[-1]
    print(f"{data}: {who}, seed {seed}: {last}", flush=True)
    return {
        "who": who,
        "seed": seed,
        "seconds": last["seconds"],
        "steps": last["steps"],
        "fid": last["fid"],
        "best_fid": min(one["fid"] for one in looks),
        "quiet": found["quiet"],
        "others": found["cores_used_by_others"],
        "looks": looks,
    }


def look(trained: Trainee, scorer: Scorer, quick: bool) -> dict[str, Any]:
    """The distance of samples now; of several ways of sampling the one that is nearest."""
    kinds = trained.samples(200 if quick else SAMPLES)
    distances = [scorer.score(samples, ["fid"])["fid"].value for samples in kinds]
    return {
        "steps": trained.steps,
        "images": trained.steps * trained.batch_size,
        "fid": round(min(distances), 2),
    }
