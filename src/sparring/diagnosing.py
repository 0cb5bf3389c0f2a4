"""What the referee says of a run, or of logs and samples that another program wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sparring.data import Dataset, open_data, read_samples
from sparring.errors import InputError
from sparring.recipe import Data
from sparring.referee import FINDINGS, Facts, Finding, Look, judge
from sparring.referee.judge import ENOUGH
from sparring.referee.logs import read_log
from sparring.referee.space import Space
from sparring.referee.strangers import look_at, tiles
from sparring.run import RunFolder, open_run

FEWEST = 16  # samples, fewer of which say nothing
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def diagnose(
    run: str | Path | None = None,
    *,
    history: str | Path | None = None,
    samples: str | Path | None = None,
    data: str | Dataset | None = None,
) -> dict[str, Any]:
    """The verdict over a run, finished or not, or over another program's logs and samples.

    `history` is a .jsonl or .csv with a column of losses; `samples` an npz, a folder of images, or
    a folder of such folders by step; `data` what they should look like. Returns `verdict`, one of
    healthy, unhealthy, unknown, and `findings`. Raises InputError for what cannot be read.
    """
    if run is None and history is None and samples is None:
        raise InputError("nothing to diagnose", "name a run, or give --history or --samples")
    told = [_of_run(open_run(run))] if run is not None else []
    if history is not None:
        told.append(_of_log(Path(history)))
    if samples is not None:
        told.append(_of_samples(Path(samples), data))
    verdicts = [verdict for verdict, _ in told]
    worst = next(one for one in ("unhealthy", "healthy", "unknown") if one in verdicts)
    return {"verdict": worst, "findings": [one.json() for _, found in told for one in found]}


def _of_run(folder: RunFolder) -> tuple[str, list[Finding]]:
    """Judged again from the looks in its history; what preflight saw stays known."""
    written: dict[str, Any] = {}
    if folder.findings.is_file():
        try:
            written = dict(json.loads(folder.findings.read_text()))
        except (ValueError, TypeError):
            raise InputError(f"`{folder.findings}` cannot be read", "it is no JSON") from None
    facts = Facts.read(written.get("facts") or {})
    looks = [Look.read(tick["look"]) for tick in folder.read_history() if tick.get("look")]
    known = [Finding.read(one) for one in written.get("findings", [])]
    verdict, found = judge(facts, looks)
    if not looks and known:  # of a version that kept no looks
        return str(written.get("verdict", "unknown")), known
    return verdict, [*found, *(one for one in known if one.code not in FINDINGS)]


def _of_log(path: Path) -> tuple[str, list[Finding]]:
    """Losses alone can tell of failure, never of health."""
    if not path.is_file():
        raise InputError(f"`{path}` is no file", "name a .jsonl or .csv file")
    looks = read_log(path)
    verdict, found = judge(Facts(recipe={}, steps=looks[-1].step), looks)
    return ("unknown" if verdict == "healthy" else verdict), found


def _of_samples(path: Path, data: str | Dataset | None) -> tuple[str, list[Finding]]:
    """Samples at one or several steps; they can be called healthy only beside real ones."""
    dataset = open_data(Data(name=data)) if isinstance(data, str) else data
    space = None if dataset is None else Space(dataset)
    looks = [
        look_at(found, space, step) for step, found in _read(path, dataset) if len(found) >= FEWEST
    ]
    if not looks:
        raise InputError(f"`{path}` holds fewer than {FEWEST} samples", "give more of them")
    # Findings ask that a thing holds for some looks in a row: the last one is what is left.
    whole = [*looks, *[replace(looks[-1])] * (ENOUGH - 1)]
    verdict, found = judge(Facts(recipe={}), whole)
    return ("unknown" if verdict == "healthy" and space is None else verdict), found


def _read(path: Path, dataset: Dataset | None) -> list[tuple[int, Tensor]]:
    """Samples by step: of an npz or a folder, or of each subfolder with a number in its name."""
    if path.suffix == ".npz":
        return [(0, read_samples(path))]
    if not path.is_dir():
        raise InputError(f"`{path}` is neither an npz nor a folder", "give one of them")
    steps = sorted((_number(one.name), one) for one in path.iterdir() if one.is_dir())
    if steps and all(number >= 0 for number, _ in steps):
        return [(number, _images(one, dataset)) for number, one in steps]
    return [(0, _images(path, dataset))]


def _images(folder: Path, dataset: Dataset | None) -> Tensor:
    """The images of a folder at the size of the data; grids of them are cut into their pictures."""
    archives = sorted(folder.glob("*.npz"))
    if archives:
        return read_samples(archives[-1])
    if dataset is None or not dataset.is_images:
        return open_data(Data(name=str(folder))).values
    channels, side = dataset.shape[:2]
    grids = [one for one in sorted(folder.iterdir()) if one.suffix.lower() in IMAGES]
    cut = _grids(grids, channels, side)
    if cut is not None:
        return cut
    own = {"name": str(folder), "size": side, "channels": channels}
    return open_data(Data.model_validate(own)).values


def _grids(files: Sequence[Path], channels: int, side: int) -> Tensor | None:
    """The pictures of the newest grid, None where files hold one picture each."""
    if not files:
        return None
    newest = max(files, key=lambda file: (_number(file.stem), file.stat().st_mtime))
    with Image.open(newest) as image:
        shown = np.array(image.convert("L" if channels == 1 else "RGB"))
    whole = torch.from_numpy(shown).reshape(1, *shown.shape[:2], channels).permute(0, 3, 1, 2)
    pictures = tiles(whole, side)
    return pictures if len(pictures) > 1 else None


def _number(name: str) -> int:
    """The last number in a name, -1 without any."""
    found = re.findall(r"\d+", name)
    return int(found[-1]) if found else -1
