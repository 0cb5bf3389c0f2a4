"""A look at every sample of a data set, on all cores, wherever it lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sparring.data.audit import Problem, Seen, problems_of, rare_classes, twin_problems
from sparring.data.dataset import Dataset, split_by_draw
from sparring.data.decode import Rejected, quiet
from sparring.data.images import CHUNK, choose_size, colour_of, file_bytes
from sparring.data.looks import Look, look_at, look_at_file
from sparring.data.source import Source
from sparring.data.twins import same_twins
from sparring.data.workers import in_order

BACKGROUND = "white"  # behind transparent pixels, as data.background has it


@dataclass(frozen=True)
class Survey:
    """What an audit found: usable samples, the shape they would be trained at, and problems."""

    samples: int
    shape: tuple[int, ...]
    classes: dict[str, int]
    problems: list[Problem]

    def json(self) -> dict[str, Any]:
        return {
            "samples": self.samples,
            "shape": list(self.shape),
            "classes": self.classes,
            "problems": [problem.json() for problem in self.problems],
        }


@dataclass(frozen=True)
class Files:
    """Some files of a source, and the place of the first one in it."""

    source: Source
    first: int

    def look(self) -> dict[int, Look | str]:
        """A look at each file by its place, or why there is none."""
        found: dict[int, Look | str] = {}
        with quiet():
            for place in range(len(self.source.files)):
                try:
                    content = file_bytes(self.source, place)
                    look: Look | str = look_at_file(content, colour_of(BACKGROUND))
                except Rejected as reason:
                    look = str(reason)
                found[self.first + place] = look
        return found


@dataclass(frozen=True)
class Rows:
    """Some images of an array."""

    values: np.ndarray
    first: int

    def look(self) -> dict[int, Look | str]:
        return {place: look_at(row) for place, row in enumerate(self.values, self.first)}


def survey_files(source: Source) -> Survey:
    """Image files, each decoded at its own size."""
    names = source.files
    parts = [Files(source.part(first, CHUNK), first) for first in range(0, len(names), CHUNK)]
    looks, rejected = _looks(Files.look, parts, [len(part.source.files) for part in parts])
    classes, labels = source.classes_of(list(looks))
    size = choose_size(source)[0] if looks else 0
    channels = 1 if all(look.grey for look in looks.values()) else 3
    splits = split_by_draw(len(looks))
    seen = Seen(names, looks, rejected, size, splits, labels, classes)
    return _survey(seen, (channels, size, size))


def survey_arrays(dataset: Dataset) -> Survey:
    """Samples that are arrays already; of vectors only what can be said of them."""
    names = [f"#{index}" for index in range(len(dataset.values))]
    labels = [] if dataset.labels is None else dataset.labels.tolist()
    if not dataset.is_images:
        same = same_twins({i: row.numpy().tobytes() for i, row in enumerate(dataset.values)})
        found = twin_problems(names, range(len(names)), dataset.splits, same, {})
        found += rare_classes(dataset.classes, labels)
        problems = [problem for problem in found if problem.places]
        counts = _counts(dataset.classes, labels)
        return Survey(len(names), dataset.shape, counts, problems)
    parts = [Rows(rows.numpy(), CHUNK * i) for i, rows in enumerate(dataset.values.split(CHUNK))]
    looks, _ = _looks(Rows.look, parts, [len(part.values) for part in parts])
    size = min(dataset.shape[1:])
    seen = Seen(names, looks, {}, size, dataset.splits, labels, dataset.classes)
    return _survey(seen, dataset.shape)


def _looks(
    work: Callable[[Any], dict[int, Look | str]], parts: Sequence[Any], sizes: Sequence[int]
) -> tuple[dict[int, Look], dict[int, str]]:
    looks: dict[int, Look] = {}
    rejected: dict[int, str] = {}
    for found in in_order(work, parts, sizes, "looking at images"):
        for place, look in found.items():
            if isinstance(look, Look):
                looks[place] = look
            else:
                rejected[place] = look
    return looks, rejected


def _survey(seen: Seen, shape: tuple[int, ...]) -> Survey:
    return Survey(len(seen.looks), shape, _counts(seen.classes, seen.labels), problems_of(seen))


def _counts(classes: tuple[str, ...], labels: Sequence[int]) -> dict[str, int]:
    counts = torch.bincount(torch.tensor(labels, dtype=torch.long), minlength=len(classes))
    return dict(zip(classes, counts.tolist(), strict=True)) if classes else {}
