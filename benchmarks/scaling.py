"""One process against two, one thread each: milliseconds a step, taking turns.

    python -m benchmarks.scaling [--quick] [--only digits dcgan]

`shared` has the same global batch in both, `grown` twice the batch in two processes. Efficiency is
the time of one over the time of two, divided by how much more work each process of the one has:
1 means that the second process costs nothing. Two processes talk by Gloo on one machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from statistics import median
from typing import Any

import torch

from benchmarks import common
from sparring import ranks
from sparring.data import open_data
from sparring.games import GAMES
from sparring.launch import leads
from sparring.recipes import load_recipe
from sparring.training.state import State
from sparring.training.step import run_step

ROUNDS, WARM = 5, 16
STEPS = {"digits": 96, "dcgan": 24}
GOALS = {"shared": 0.85, "grown": 0.90}

Result = dict[str, Any]


def measured(name: str, quick: bool) -> Result:
    """Rounds of one and two processes on one recipe."""
    batch = load_recipe(name).batch_size
    settings = {"one": (1, batch), "shared": (2, batch), "grown": (2, 2 * batch)}
    times: dict[str, list[float]] = {key: [] for key in settings}
    for _ in range(1 if quick else ROUNDS):
        for key, (processes, size) in settings.items():
            times[key].append(milliseconds(name, processes, size, 4 if quick else STEPS[name]))
    one = times["one"]
    efficiency = {
        "shared": median(a / (2 * b) for a, b in zip(one, times["shared"], strict=True)),
        "grown": median(a / b for a, b in zip(one, times["grown"], strict=True)),
    }
    rows = [
        {
            "processes": processes,
            "batch_size": size,
            "ms_a_step": round(median(times[key]), 2),
            "efficiency": round(efficiency[key], 3) if key in efficiency else None,
        }
        for key, (processes, size) in settings.items()
    ]
    goals = [
        common.goal(f"efficiency, batch {key}", round(efficiency[key], 3), bound, at_least=True)
        for key, bound in GOALS.items()
        if name == "digits" or key == "grown"
    ]
    return {"settings": {"threads": 1, "rounds": len(one)}, "rows": rows, "goals": goals}


def milliseconds(name: str, processes: int, batch_size: int, steps: int) -> float:
    """A step of so many processes, each a fresh one."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    words = ["-m", "benchmarks.scaling", "--worker", name, str(batch_size), str(steps)]
    command = [sys.executable, *(launcher if processes > 1 else []), *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(json.loads(done.stdout.strip().splitlines()[-1]))


@ranks.joined()
def worker(name: str, batch_size: int, steps: int) -> None:
    """Time steps; the first process says how long one takes."""
    torch.set_num_threads(1)
    recipe = load_recipe(name, {"batch_size": batch_size})
    state = State(
        GAMES[recipe.game](recipe, open_data(recipe.data), common.CPU), recipe, common.CPU
    )
    for _ in range(WARM):
        run_step(state)
    state.statistics.clear()
    ranks.any_of(False)  # all begin together
    began = time.perf_counter()
    for _ in range(steps):
        run_step(state)
    seconds = time.perf_counter() - began
    if leads():
        print(json.dumps(1000 * seconds / steps))


PARTS = {name: lambda quick, name=name: measured(name, quick) for name in STEPS}


def show(name: str, result: Result) -> None:
    print(common.table(result["rows"], name))
    print(common.table(result["goals"]))


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        common.run_parts(__doc__, "scaling", PARTS, show)


if __name__ == "__main__":
    main()
