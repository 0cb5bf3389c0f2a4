"""What `evaluate` and `compare` score: runs, archives and folders of samples of any program."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sparring.data import Dataset, open_data, read_labelled, read_samples
from sparring.errors import InputError
from sparring.lookup import find
from sparring.metrics import METRICS, Curve, Made, Record, Scorer, made_of, need_labels
from sparring.model import read_model
from sparring.onnx_generator import OnnxGenerator
from sparring.recipe import MOST_SAMPLES, Data, Recipe
from sparring.recipes import load_recipe
from sparring.run import RunFolder, open_run

# Two-sided 95% quantiles of Student's t by degrees of freedom; beyond the table that of the normal.
STUDENT = (math.inf, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
NORMAL = 1.96
SHOWN = 64  # samples kept of each entry for its grid


@dataclass
class Entry:
    """One thing that was scored; several runs of one recipe (seeds) are one entry."""

    name: str
    records: list[dict[str, Record]] = field(default_factory=list)
    samples: Tensor | None = None
    curve: Curve | None = None

    def value(self, metric: str) -> float:
        return statistics.fmean(record[metric].value for record in self.records)

    def error(self, metric: str) -> float | None:
        """The standard error: over training seeds where there are several, else over samples."""
        values = [record[metric].value for record in self.records]
        if len(values) > 1:
            return statistics.stdev(values) / math.sqrt(len(values))
        return self.records[0][metric].error

    def json(self) -> dict[str, Any]:
        metrics = {}
        for name in self.records[0]:
            record = self.records[0][name].json()
            metrics[name] = record | {"value": self.value(name), "error": self.error(name)}
        return {"name": self.name, "runs": len(self.records), "metrics": metrics}


def score(
    what: Path,
    data: str | Data | Dataset | None,
    metrics: Sequence[str],
    samples: int,
    features: str | None,
    seed: int,
    make: Callable[..., nn.Module] | None = None,
    split: str | None = None,
    weights: str | Path | None = None,
) -> tuple[dict[str, Record], Tensor]:
    """The records of one run, ONNX generator, npz or folder of images, and what was scored.

    A run is compared with the test split, the others with all of `data`, unless `split` says; so
    is an ONNX generator that knows its data, where no `data` is named.
    """
    scorer, made = prepare(what, data, metrics, samples, features, seed, make, split, weights)
    return scorer.score(made, metrics, seed), made.samples


def prepare(
    what: Path,
    data: str | Data | Dataset | None,
    metrics: Sequence[str],
    samples: int,
    features: str | None,
    seed: int,
    make: Callable[..., nn.Module] | None = None,
    split: str | None = None,
    weights: str | Path | None = None,
) -> tuple[Scorer, Made]:
    """What `score` scores with, and what it scores."""
    _check_asked(metrics, samples)
    if _is_onnx(what):
        exported = OnnxGenerator(what, str(what))
        split = split or ("test" if data is None else "all")
        data = _trained_on(exported) if data is None else data
        seeds = range(seed, seed + samples)
        made = Made(exported.sample(seeds), exported.prior.of(seeds).labels)
        dataset = _open_like(data, tuple(made.samples.shape[1:]))
        features = features or "auto"
    elif _is_samples(what):
        if data is None:
            told = "holds no run, and samples" if what.is_dir() else "holds samples, which"
            raise InputError(
                f"`{what}` {told} must be compared with something", "name it with --data"
            )
        made, dataset = _pictures(what, data) if what.is_dir() else _archive(what, data, metrics)
        features, split = features or "auto", split or "all"
    else:
        recipe = load_recipe(open_run(what).recipe)
        model = read_model(open_run(what).model, make)
        if isinstance(data, str) and model.input_shape is not None:
            data = recipe.data.model_copy(update={"name": data})  # what its inputs are, is the same
        dataset = _open_like(data or recipe.data, model.shape)
        features, weights = _asked_or_of(recipe, features, weights)
        split = split or "test"
        given = model.given(dataset, split)
        made = made_of(model.generator, given, range(seed, seed + samples), model.is_images)
    return Scorer(dataset, split, features, weights=weights), made


def compare(
    whats: Sequence[Path],
    data: str | None,
    metrics: Sequence[str],
    samples: int,
    features: str | None,
    seed: int,
    weights: str | Path | None = None,
    curves: bool = False,
) -> list[Entry]:
    """Every entry scored in the same way; a folder of runs (train --seeds) is one entry.

    Where a run is among them, its data, its test split and its features serve for all; where no
    data is named, so do those of an ONNX generator that knows them. With `curves` each has the
    precision-recall curve of its first run.
    """
    if len(whats) < 2:
        raise InputError("one thing alone cannot be compared", "name two or more")
    parts = {what: _runs_in(what) or [what] for what in whats}
    flat = [part for found in parts.values() for part in found]
    runs = [part for part in flat if not _is_samples(part) and not _is_onnx(part)]
    files = [part for part in flat if _is_onnx(part)]
    named: str | Data | Dataset | None = data
    split = "all"
    if runs:
        recipe = load_recipe(open_run(runs[0]).recipe)
        named, split = data or recipe.data, "test"
        features, weights = _asked_or_of(recipe, features, weights)
    elif files and data is None:
        named, split = _trained_on(OnnxGenerator(files[0], str(files[0]))), "test"
    entries = []
    for what, found in parts.items():
        entry = Entry(str(what))
        for part in found:
            scorer, made = prepare(
                part, named, metrics, samples, features, seed, split=split, weights=weights
            )
            entry.records.append(scorer.score(made, metrics, seed))
            if entry.samples is None:
                entry.samples = made.samples[:SHOWN]
                entry.curve = scorer.curve(made) if curves else None
        entries.append(entry)
    return entries


def _asked_or_of(
    recipe: Recipe, features: str | None, weights: str | Path | None
) -> tuple[str, str | Path | None]:
    """Features and file of weights: those asked for, else those a run was trained with."""
    of_run = recipe.evaluation
    if features is None:
        return of_run.features, weights or of_run.weights
    return features, weights


def differences(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Each pair's difference a - b in each metric, with its 95% interval.

    Between entries of several seeds it is Welch's over seeds, which holds the chance of training;
    else only that of drawing samples. `beyond_chance` is None where there is no standard error.
    """
    rows = []
    for a, b in combinations(entries, 2):
        for metric in a.records[0]:
            difference = a.value(metric) - b.value(metric)
            error_a, error_b = a.error(metric), b.error(metric)
            interval, beyond = None, None
            if error_a is not None and error_b is not None:
                half = _quantile(a, b, error_a, error_b) * math.hypot(error_a, error_b)
                interval = [difference - half, difference + half]
                beyond = not interval[0] <= 0 <= interval[1]
            rows.append(
                {
                    "metric": metric,
                    "a": a.name,
                    "b": b.name,
                    "difference": difference,
                    "interval": interval,
                    "beyond_chance": beyond,
                }
            )
    return rows


def better(metric: str, value: float, other: float) -> bool:
    """Whether `value` is the better one of two."""
    higher = find(METRICS, metric, "metrics").higher_is_better
    return value > other if higher else value < other


def _quantile(a: Entry, b: Entry, error_a: float, error_b: float) -> float:
    """Student's at Welch's degrees of freedom where both have several seeds."""
    counts = len(a.records), len(b.records)
    if min(counts) < 2:
        return NORMAL
    parts = [e**4 / (n - 1) for e, n in zip((error_a, error_b), counts, strict=True)]
    if not sum(parts):
        return NORMAL
    freedom = int((error_a**2 + error_b**2) ** 2 / sum(parts))
    return STUDENT[freedom] if freedom < len(STUDENT) else NORMAL


def _runs_in(folder: Path) -> list[Path]:
    """The runs in the subfolders of a folder that is none itself."""
    if not folder.is_dir() or _is_of_ours(folder):
        return []
    return sorted(path for path in folder.iterdir() if RunFolder(path).exists)


def _is_of_ours(folder: Path) -> bool:
    return RunFolder(folder).exists or (folder / "config.json").is_file()


def _check_asked(metrics: Sequence[str], samples: int) -> None:
    if not metrics:
        raise InputError("no metric was named", f"choose from: {', '.join(METRICS)}")
    if not 2 <= samples <= MOST_SAMPLES:
        raise InputError(f"samples={samples} is out of range", f"choose from 2 to {MOST_SAMPLES}")


def _is_onnx(what: Path) -> bool:
    return what.suffix == ".onnx"


def _trained_on(exported: OnnxGenerator) -> Dataset:
    """The data set, known by name, that an ONNX generator says that it was trained on."""
    source = exported.data.get("source")
    if not source:
        raise InputError(
            f"`{exported.name}` must be compared with something", "name it with --data"
        )
    dataset = open_data(Data.model_validate(source))
    if dataset.fingerprint != exported.data.get("fingerprint"):
        raise InputError(
            f"data `{dataset.name}` is not what `{exported.name}` was trained on",
            "name the right one with --data",
        )
    return dataset


def _is_samples(what: Path) -> bool:
    """Whether it is samples themselves: an npz, or a folder that is neither run nor model."""
    return what.suffix == ".npz" or (what.is_dir() and not _is_of_ours(what))


def _open_like(named: str | Data | Dataset, shape: tuple[int, ...]) -> Dataset:
    """The data set of that name; image files, which have no size of their own, at the samples'."""
    if isinstance(named, Dataset):
        return named
    if isinstance(named, Data):
        return open_data(named)
    if len(shape) == 3 and (Path(named).is_dir() or Path(named).suffix == ".zip"):
        channels, size = shape[:2]
        return open_data(Data.model_validate({"name": named, "size": size, "channels": channels}))
    return open_data(Data(name=named))


def _archive(
    path: Path, named: str | Data | Dataset, metrics: Sequence[str]
) -> tuple[Made, Dataset]:
    """The samples of an npz, their labels if a metric needs them, and what to compare with."""
    made = Made(*read_labelled(path)) if need_labels(metrics) else Made(read_samples(path))
    return made, _open_like(named, tuple(made.samples.shape[1:]))


def _pictures(folder: Path, named: str | Data | Dataset) -> tuple[Made, Dataset]:
    """The images of a folder at the size of the data to compare them with, and that data.

    Subfolders that are named as classes of that data label them.
    """
    data = Data(name=named) if isinstance(named, str) else named
    dataset = data if isinstance(data, Dataset) else open_data(data)
    if not dataset.is_images:
        raise InputError(f"`{folder}` holds images, data `{dataset.name}` vectors", "give an npz")
    channels, size = dataset.shape[:2]
    own = {"name": str(folder), "size": size, "channels": channels}
    pictures = open_data(Data.model_validate(own))
    if pictures.labels is None or not set(pictures.classes) <= set(dataset.classes):
        return Made(pictures.values), dataset
    numbers = torch.tensor([dataset.classes.index(name) for name in pictures.classes])
    return Made(pictures.values, numbers[pictures.labels]), dataset
