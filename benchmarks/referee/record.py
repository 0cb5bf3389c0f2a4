"""Train every setting once for each seed and keep what the referee saw, and what came of it.

    python -m benchmarks.referee.record [--seconds 60] [--seeds 0 ...] [--settings digits/beta1 ...]

What exists is skipped, so that it can be stopped and started, and several can run side by side:
each run is claimed by a file. With --seconds it starts no run after so long. The records of the
published figures are in benchmarks/results/referee-records.tar.xz: unpacked in the folder that
`records` makes its own in, they are replayed without any training.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import common
from benchmarks.referee.outcome import reader
from benchmarks.referee.settings import BASES, BROKEN, SEEDS, SETTINGS, Setting
from benchmarks.referee.training import trained
from sparring.run import RunFolder, write_json

STALE = 300.0  # seconds after which a claim is that of a run that was killed
KEPT = ("history.jsonl", "findings.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    make(
        [(SETTINGS[name], seed) for seed in options.seeds for name in options.settings],
        options.seconds,
    )


def recorded(quick: bool) -> dict[str, Any]:
    """The part of the benchmark: what is missing of the record, alone; then what there is."""
    jobs = [(setting, seed) for seed in SEEDS for setting in SETTINGS.values()]
    make(jobs[:2] if quick else jobs)
    found = [read(record_path(*job)) for job in jobs if record_path(*job).exists()]
    return {
        "settings": len({record["setting"] for record in found}),
        "broken_settings": sum(setting.broken for setting in SETTINGS.values()),
        "healthy_settings": sum(not setting.broken for setting in SETTINGS.values()),
        "ways_to_break": len(BROKEN),
        "bases": len(BASES),
        "runs": len(found),
        "minutes_of_one_core": round(sum(record["seconds"] for record in found) / 60),
        "seconds_a_run": common.spread([record["seconds"] for record in found]),
    }


def make(jobs: Sequence[tuple[Setting, int]], seconds: float = float("inf")) -> None:
    """Record what is missing, starting nothing after so many seconds."""
    reader()
    began, done = time.monotonic(), 0
    for setting, seed in jobs:
        if time.monotonic() - began > seconds:
            break
        path = record_path(setting, seed)
        if path.exists() or not claim(path):
            continue
        try:
            record(setting, seed, path)
        except Exception:  # one that fails is no reason to lose the others; it is missing then
            traceback.print_exc()
            continue
        finally:
            claim_of(path).unlink(missing_ok=True)
        done += 1
        left = sum(not record_path(*job).exists() for job in jobs)
        each = (time.monotonic() - began) / done
        print(f"{setting.name} {seed}: {left} left, {left * each / 60:.0f} min alone", flush=True)


def records() -> Path:
    """Where they are kept: what is slow to make again."""
    folder = common.cache() / "referee"
    folder.mkdir(exist_ok=True)
    return folder


def record_path(setting: Setting, seed: int) -> Path:
    return records() / setting.name.replace("/", "~") / str(seed) / "record.json"


def claim_of(path: Path) -> Path:
    return path.with_suffix(".claimed")


def claim(path: Path) -> bool:
    """Whether this process is the one to make a record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = claim_of(path)
    if mark.exists() and time.time() - mark.stat().st_mtime > STALE:
        mark.unlink(missing_ok=True)
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def record(setting: Setting, seed: int, path: Path) -> None:
    """One run, what was seen of it, and its outcome."""
    with common.scratch() as scratch:
        found = trained(setting, seed, scratch / "run")
        folder = RunFolder(scratch / "run")
        for name in KEPT:
            if (folder.path / name).exists():
                shutil.copy(folder.path / name, path.parent / name)
        write_json(path, found)


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


if __name__ == "__main__":
    main()
