"""Scores of generators and samples, alone and side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from sparring import scoring
from sparring.comparison import write_comparison
from sparring.data import Dataset
from sparring.scoring import score


def evaluate(
    what: str | Path,
    data: str | Dataset | None = None,
    metrics: Sequence[str] = ("fid", "kid"),
    samples: int = 2000,
    features: str | None = None,
    seed: int = 0,
    *,
    generator: Callable[..., nn.Module] | None = None,
    weights: str | Path | None = None,
) -> dict[str, dict[str, Any]]:
    """Score a run against its test split, or samples of any program against all of `data`.

    Those are an npz with `samples`, a folder of images, or what an ONNX generator makes; one that
    was trained on a data set known by name is scored against its test split without `data`.
    `weights` is the file of the published network that `features` names; without one it is
    downloaded.
    """
    records, _ = score(
        Path(what), data, metrics, samples, features, seed, generator, weights=weights
    )
    return {name: record.json() for name, record in records.items()}


def compare(
    *whats: str | Path,
    data: str | None = None,
    metrics: Sequence[str] = ("fid", "kid"),
    samples: int = 2000,
    features: str | None = None,
    seed: int = 0,
    html: str | Path | None = None,
    weights: str | Path | None = None,
) -> dict[str, Any]:
    """Runs, archives and folders side by side, and whether each difference exceeds chance.

    A folder of runs (`sparring train --seeds`) is one entry. With `html` a page is written too.
    `features` and `weights` are as in `evaluate`.
    """
    paths = [Path(what) for what in whats]
    curves = html is not None
    entries = scoring.compare(paths, data, metrics, samples, features, seed, weights, curves)
    answer = {
        "entries": [entry.json() for entry in entries],
        "differences": scoring.differences(entries),
    }
    if html is not None:
        write_comparison(Path(html), entries, answer)
    return answer
