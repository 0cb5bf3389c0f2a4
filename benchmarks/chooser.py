"""Which features choose a checkpoint as well as those of a classifier, where there is none such?

    python -m benchmarks.chooser [--quick] [--only digits ...]

Each part trains a run and keeps what the averaged generator makes at some twenty checkpoints. Every
candidate scores them against the selection split, as a run does. On digits the judge is the Fréchet
distance of as many other samples to the test split on the shipped classifier: `rank` is Spearman's
correlation with it over all checkpoints, `late` over the later half, `lost` how much larger it is
at the checkpoint that the candidate chooses than at the best. For colour pictures there is no judge
but the eye: the samples at each candidate's choice are kept as a picture.

`careful` is the checkpoint that is chosen where a better one must exceed the error of its score.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import sparring
from benchmarks import common
from benchmarks.pictures import emoji_folder
from sparring.data import Dataset, open_data
from sparring.metrics import Metric, Scorer
from sparring.metrics.record import Comparison, Estimate
from sparring.recipe import Data

METRICS = ("kid", "fid")
SHOWN = 100


class Part(NamedTuple):
    """A run of `digits` whose checkpoints are scored, and with which features."""

    data: str
    size: int | None
    steps: int
    every: int  # steps
    samples: int
    candidates: tuple[str, ...]
    judge: str = ""


PARTS = {
    "digits": Part(
        "mnist5k", None, 3400, 170, 1000, ("classifier", "random", "pixels"), "classifier"
    ),
    "emoji": Part("emoji", 32, 1000, 100, 500, ("random", "pixels")),
}
_kept: list[Tensor] = []


def _keep(comparison: Comparison) -> Estimate:
    _kept.append(comparison.samples_fake)
    return Estimate(0.0)


KEEP = Metric(_keep)  # scores nothing: the way to a run's samples at each evaluation


def main() -> None:
    parts = {name: lambda quick, name=name: measure(name, quick) for name in PARTS}
    common.run_parts(__doc__, "chooser", parts, show)


def measure(name: str, quick: bool) -> dict[str, Any]:
    """Train one part and score its checkpoints with every candidate."""
    part = PARTS[name]
    if quick:
        part = part._replace(steps=60, every=10, samples=100)
    where = str(emoji_folder()) if part.data == "emoji" else part.data
    dataset = open_data(Data(name=where, size=part.size))
    steps, samples = checkpoints(name, part, dataset)
    scored, others = samples[:, : part.samples], samples[:, part.samples :]
    result: dict[str, Any] = {
        "settings": part._asdict() | {"recipe": "digits", "real": len(dataset.splits["select"])},
        "steps": steps,
    }
    judged = None
    if part.judge:
        judge = Scorer(dataset, "test", part.judge)
        judged = [judge.estimates(made, ["fid"])["fid"].value for made in others]
        result["judge"] = [round(value, 3) for value in judged]
    rows, values = [], {}
    for features in part.candidates:
        found, seconds = scores(Scorer(dataset, "select", features), scored)
        for metric, of_metric in found.items():
            values[f"{features} {metric}"] = of_metric
            row = {"features": features, "metric": metric, "chooses": steps[argmin(of_metric)]}
            rows.append(row | against(judged, of_metric) | {"seconds": seconds})
    result |= {"values": values, "candidates": rows}
    if part.judge:
        result["careful"] = careful(Scorer(dataset, "select", part.judge), scored, steps)
    else:
        chosen = sorted({int(row["chooses"]) for row in rows} | {steps[-1]})
        grids = {step: scored[steps.index(step)][:SHOWN] for step in chosen}
        result["pictures"] = {
            str(step): common.save_grid(grid, f"chooser-{name}-{step}", quick)
            for step, grid in grids.items()
        }
    return result


def checkpoints(name: str, part: Part, dataset: Dataset) -> tuple[list[int], Tensor]:
    """Steps [K] and samples [K, N, C, H, W], trained for once and kept."""
    path = common.cache() / f"chooser-{name}-{part.steps}.safetensors"
    if not path.exists():
        _train(part, dataset, path)
    tensors = load_file(path)
    return tensors["steps"].tolist(), tensors["samples"]


def _train(part: Part, dataset: Dataset, path: Path) -> None:
    # By its name, because this module is there twice when it is run as a program.
    from benchmarks import chooser

    chooser._kept.clear()
    keep = ["benchmarks.chooser:KEEP"]
    config = {"metrics": keep, "final_metrics": keep, "features": "pixels", "final_samples": 2}
    config |= {"every": part.every * 64, "samples": part.samples * (2 if part.judge else 1)}
    overrides = {"steps": part.steps, "tick": 10, "batch_size": 64, "evaluation": config}
    with common.scratch() as scratch:
        sparring.train("digits", dataset, scratch / "run", overrides)
    steps = torch.arange(part.every, part.steps + 1, part.every)
    samples = torch.stack(chooser._kept[: len(steps)])  # the last are those of the final scores
    save_file({"steps": steps, "samples": samples}, path)


def scores(scorer: Scorer, samples: Tensor) -> tuple[dict[str, list[float]], float]:
    """Each metric at each checkpoint, and the seconds that one checkpoint takes."""
    started = time.process_time()
    found = [scorer.estimates(made, METRICS) for made in samples]
    seconds = (time.process_time() - started) / len(samples)
    values = {metric: [round(each[metric].value, 6) for each in found] for metric in METRICS}
    return values, round(seconds, 2)


def against(judged: list[float] | None, values: list[float]) -> dict[str, float]:
    """How a candidate's scores agree with the judge's."""
    if judged is None:
        return {}
    late = len(judged) // 2
    return {
        "rank": round(spearman(values, judged), 3),
        "late": round(spearman(values[late:], judged[late:]), 3),
        "lost": round(judged[argmin(values)] / min(judged) - 1, 4),
    }


def careful(scorer: Scorer, samples: Tensor, steps: list[int]) -> dict[str, Any]:
    """What `kid` chooses, and what it would where a better one must exceed the error."""
    found = [scorer.estimates(made, ["kid"])["kid"] for made in samples]
    values, errors = [each.value for each in found], [each.error or 0.0 for each in found]
    best = 0
    for index in range(1, len(values)):
        if values[index] < values[best] - errors[index]:
            best = index
    return {
        "chooses": steps[argmin(values)],
        "careful": steps[best],
        "kid_error": round(errors[-1], 4),
    }


def argmin(values: list[float]) -> int:
    return int(np.argmin(values))


def spearman(a: list[float], b: list[float]) -> float:
    """The correlation of ranks; ties do not occur."""
    ranks = [np.argsort(np.argsort(values)) for values in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def show(name: str, result: dict[str, Any]) -> None:
    print(common.table(result["candidates"], name))


if __name__ == "__main__":
    main()
