"""Does it read another program's logs and samples? A plain tutorial script, well and collapsed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import common
from benchmarks.referee.outcome import measure
from sparring.data import open_data
from sparring.recipe import Data

SCRIPT = Path(__file__).parent / "tutorial_script.py"
SEEDS = 3
COLLAPSE = {"mode-collapse", "partial-collapse"}

Row = dict[str, Any]


def strangers(quick: bool) -> dict[str, Any]:
    """Both kinds of the script over the seeds, read by `sparring diagnose`."""
    rows = []
    with common.scratch() as folder:
        digits = folder / "digits.npz"
        np.savez(digits, samples=open_data(Data(name="mnist5k")).split("train").numpy())
        for seed in range(1 if quick else SEEDS):
            for collapse in (False, True):
                out = folder / f"{collapse}-{seed}"
                rows.append(row(digits, out, seed, collapse, quick))
                print(rows[-1], flush=True)
    ill = [one for one in rows if one["made to collapse"]]
    well = [one for one in rows if not one["made to collapse"]]
    seen = sum(one["says collapse"] for one in ill)
    alarms = sum(one["says collapse"] for one in well)
    goals = [
        common.goal("collapsed scripts called collapsed", seen, len(ill), at_least=True),
        common.goal("other scripts called collapsed", alarms, 0, at_least=False),
    ]
    return {"rows": rows, "goals": goals}


def row(digits: Path, out: Path, seed: int, collapse: bool, quick: bool) -> Row:
    steps = 100 if quick else 1500
    options = ["--collapse"] if collapse else []
    call = [str(SCRIPT), str(digits), str(out), "--seed", str(seed), "--steps", str(steps)]
    subprocess.run([sys.executable, *call, *options], check=True)
    pictures = read_pictures(out / "samples")
    outcome = measure(pictures, None, open_data(Data(name="mnist5k")))
    said = diagnosed(out)
    codes = [finding["code"] for finding in said["findings"]]
    return {
        "made to collapse": collapse,
        "seed": seed,
        "classes of 10": outcome["covered"],
        "distance": round(outcome["distance"], 1),
        "verdict": said["verdict"],
        "codes": " ".join(codes),
        "says collapse": not COLLAPSE.isdisjoint(codes),
    }


def read_pictures(folder: Path) -> torch.Tensor:
    return open_data(Data(name=str(folder), size=28, channels=1)).values


def diagnosed(out: Path) -> dict[str, Any]:
    """What the command says of the log, the samples and the data."""
    call = ["diagnose", "--history", str(out / "losses.csv"), "--samples", str(out / "samples")]
    done = subprocess.run(
        [sys.executable, "-m", "sparring", *call, "--data", "mnist5k", "--json"],
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(done.stdout))
