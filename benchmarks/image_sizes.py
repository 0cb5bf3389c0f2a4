"""Time and memory of image-to-image training at real sizes, with the networks as published.

    python -m benchmarks.image_sizes [--quick] [--only pix2pix cyclegan srgan]

A few steps on noise in colour, each size in a process of its own, for its peak of memory. Sizes
from 512 on are not run: they are four times and sixteen times the figures of 256, in time and in
memory beyond what the program itself takes.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from functools import partial
from typing import Any

import torch

from benchmarks import common
from sparring.data import Dataset
from sparring.data.dataset import split_by_draw
from sparring.data.domains import with_inputs
from sparring.games import GAMES
from sparring.recipes import load_recipe
from sparring.training.precision import choose_device
from sparring.training.state import State
from sparring.training.step import run_step

SIZES, ESTIMATED = (64, 128, 256), (512, 1024)
STEPS = 2  # after one that is not counted
PUBLISHED: dict[str, dict[str, Any]] = {
    "pix2pix": {
        "generator.width": 64,
        "discriminator.width": 64,
        "discriminator.layers": 3,
        "batch_size": 1,
    },
    "cyclegan": {
        "generator.width": 64,
        "generator.blocks": 9,
        "discriminator.width": 64,
        "discriminator.layers": 3,
        "batch_size": 1,
    },
    "srgan": {
        "generator.width": 64,
        "generator.blocks": 16,
        "discriminator.width": 64,
        "pretraining.samples": 0,
        "batch_size": 4,
    },
}
Result = dict[str, Any]


def sizes(name: str, quick: bool) -> Result:
    """Each size in its own process, and what larger ones would take."""
    base = child(name, 0)["gigabytes"]
    rows = []
    for size in SIZES[:1] if quick else SIZES:
        rows.append({"size": size, **child(name, size), "estimated": False})
    last = rows[-1]
    for size in ESTIMATED:
        times = (size / last["size"]) ** 2
        rows.append(
            {
                "size": size,
                "seconds_a_sample": round(last["seconds_a_sample"] * times, 2),
                "gigabytes": round(base + (last["gigabytes"] - base) * times, 1),
                "estimated": True,
            }
        )
    hours = [{"hours_a_thousand": round(row["seconds_a_sample"] / 3.6, 2)} for row in rows]
    rows = [row | more for row, more in zip(rows, hours, strict=True)]
    return {"settings": {"overrides": PUBLISHED[name]}, "sizes": rows}


def child(name: str, size: int) -> Result:
    """What `alone` says in a fresh process."""
    words = [sys.executable, "-m", "benchmarks.image_sizes", "--alone", name, str(size)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def alone(name: str, size: int) -> Result:
    """Seconds a sample, and the peak of memory; size 0: that of the program before it trains."""
    seconds = 0.0
    if size:
        recipe = load_recipe(name, PUBLISHED[name])
        draw = torch.Generator().manual_seed(0)
        values = torch.randint(0, 256, (20, 3, size, size), dtype=torch.uint8, generator=draw)
        dataset = with_inputs(Dataset("noise", values, split_by_draw(20)), recipe.data)
        device = choose_device("cpu")
        state = State(GAMES[recipe.game](recipe, dataset, device), recipe, device)
        run_step(state)
        started = time.perf_counter()
        for _ in range(STEPS):
            run_step(state)
        seconds = (time.perf_counter() - started) / STEPS / recipe.batch_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"seconds_a_sample": round(seconds, 3), "gigabytes": round(peak, 2)}


PARTS = {name: partial(sizes, name) for name in PUBLISHED}


def show(name: str, result: Result) -> None:
    print(common.table(result["sizes"], name))


def main() -> None:
    if "--alone" in sys.argv:
        name, size = sys.argv[-2:]
        print(json.dumps(alone(name, int(size))))
        return
    common.run_parts(__doc__, "image_sizes", PARTS, show)


if __name__ == "__main__":
    main()
