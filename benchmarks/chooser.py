"""Which distance chooses a checkpoint as one trained on the data would, where there is none such?

    python -m benchmarks.chooser [--quick] [--only digits clothes ...]

Each part trains a run and keeps the averaged generator's samples at some twenty checkpoints. Every
candidate scores 1,000 of them against the selection split, as a run does; the judge is the Fréchet
distance of 2,000 others to the test split, on a network that was trained on such data: the shipped
classifier (digits), one of the ten classes (clothes), one that says which picture it sees (emoji).
`rank` is Spearman's correlation with the judge over all checkpoints, `late` over the later half;
`lost` is how much farther by the judge the checkpoint that the candidate chooses is than the best.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import sparring
from benchmarks import common
from benchmarks.pictures import emoji_folder
from sparring.data import Dataset, open_data
from sparring.metrics import Metric
from sparring.metrics.record import Comparison, Estimate
from sparring.recipe import Data

CHECKPOINTS, SCORED, JUDGED = 20, 1000, 1000


class Part(NamedTuple):
    """A run whose checkpoints are scored."""

    recipe: str
    data: str
    size: int | None
    steps: int


PARTS = {
    "digits": Part("digits", "mnist5k", None, 3400),
    "clothes": Part("digits", "fashion-mnist", None, 1200),
    "emoji": Part("digits", "emoji", 32, 2000),
}

_kept: list[Tensor] = []


def _keep(comparison: Comparison) -> Estimate:
    _kept.append(comparison.samples_fake)
    return Estimate(0.0)


KEEP = Metric(_keep)  # scores nothing: the way to a run's samples at each evaluation


def checkpoints(part: str, quick: bool) -> tuple[Dataset, list[int], Tensor]:
    """The data, and steps [K] with their samples [K, N, C, H, W], which are trained for once."""
    recipe, name, size, steps = PARTS[part]
    steps = 40 if quick else steps
    where = str(emoji_folder()) if name == "emoji" else name
    dataset = open_data(Data(name=where, size=size))
    path = common.cache() / f"chooser-{part}-{steps}.safetensors"
    if not path.exists():
        _train(recipe, dataset, steps, path)
    tensors = load_file(path)
    return dataset, tensors["steps"].tolist(), tensors["samples"]


def _train(recipe: str, dataset: Dataset, steps: int, path: Path) -> None:
    every = steps // CHECKPOINTS
    overrides: dict[str, Any] = {"steps": steps, "tick": every, "batch_size": 64}
    overrides |= {
        "evaluation.metrics": ["benchmarks.chooser:KEEP"],
        "evaluation.features": "pixels",
    }
    overrides |= {"evaluation.every": every * 64, "evaluation.samples": SCORED + JUDGED}
    kept = _kept_by_name()
    kept.clear()
    with common.scratch() as scratch:
        run = sparring.train(recipe, dataset, scratch / "run", overrides)
        found = [t["step"] for t in run.folder.read_history() if "metric/" in str(t.keys())]
    samples = torch.stack(kept[: len(found)])  # the last are those of the final scores
    save_file({"steps": torch.tensor(found), "samples": samples}, path)


def _kept_by_name() -> list[Tensor]:
    """The list that the metric fills: this module is there twice when it is run as a program."""
    from benchmarks import chooser

    return chooser._kept
