"""A run that is killed at random moments and resumed equals one that is left alone, bit for bit.

    python -m benchmarks.resume [--quick] [--kills 5] [--seed 0]

Each run is the command line in a process of its own, ended by SIGKILL without warning: mostly in
the middle of training, the last time around its end. Compared are the checkpoints (players,
averages, optimizers, statistics), the history but for its clock, the shipped model, the pictures
and fresh samples. Checkpoints are written as often as the package allows itself.
"""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import sparring
from benchmarks import common
from sparring.run import RunFolder
from sparring.training.checkpoint import BEST, LAST, Checkpoint, load_latest, read

# Several evaluations, so that the best checkpoint is older than some of the kills.
RECIPES = {
    "digits": ["steps=600", "tick=20", "evaluation.every=6400"],
    "gaussian": ["steps=3000", "tick=50", "evaluation.every=256000"],
}
QUICK = {
    "digits": ["steps=60", "tick=5", "evaluation.every=1280", "evaluation.samples=100"],
    "gaussian": ["steps=300", "tick=10", "evaluation.every=51200"],
}
TRAIN = [sys.executable, "-m", "sparring", "train"]
PATIENCE = 1800  # seconds in which every process must get on


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--kills", type=int, help="of each run [5]")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    kills = options.kills or (2 if options.quick else 5)
    watch = common.Watch()
    results = {}
    for recipe, overrides in (QUICK if options.quick else RECIPES).items():
        moments = random.Random(f"{recipe} {options.seed}")
        results[recipe] = one_recipe(recipe, overrides, kills, moments)
        show(recipe, results[recipe])
    result = {
        "settings": {"kills": kills, "seed": options.seed, "checkpoint_seconds": 0},
        "recipes": results,
        "equal": all(all(figures["equal"].values()) for figures in results.values()),
        "machine": watch.record(),
    }
    path = common.save_result("resume", result, options.quick)
    print(f"\nall equal: {result['equal']}\n{path}")
    sys.exit(not result["equal"])


def one_recipe(
    recipe: str, overrides: list[str], kills: int, moments: random.Random
) -> dict[str, Any]:
    """Train it twice, once with interruptions; what happened and what is equal."""
    words = [recipe, *overrides, "checkpoint_seconds=0"]
    with common.scratch() as folder:
        alone, broken = folder / "alone", folder / "broken"
        call([*words, "--out", str(alone)])
        steps = read(alone / "checkpoints" / LAST).meta["step"]
        happened = interrupted(words, broken, steps, kills, moments)
        return {"overrides": overrides, "steps": steps} | happened | {"equal": equal(alone, broken)}


def call(words: list[str]) -> None:
    """Run to the end; what the process said is shown only if it failed."""
    done = subprocess.run(
        [*TRAIN, *words], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if done.returncode:
        raise SystemExit(f"sparring train {' '.join(words)}\n{done.stderr}")


def interrupted(
    words: list[str], out: Path, steps: int, kills: int, moments: random.Random
) -> dict[str, Any]:
    """Start, kill and resume until all kills are used up, then resume to the end."""
    targets = [*sorted(moments.randrange(steps) for _ in range(kills - 1)), steps]
    killed, resumed = [], []
    first = [*words, "--out", str(out)]
    going_on = ["--resume", "--out", str(out)]
    for target in targets:
        process = subprocess.Popen(
            [*TRAIN, *(going_on if resumed else first)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for_step(process, out, target)
            time.sleep(moments.uniform(0, 0.3))
        finally:
            process.kill()
            process.wait()
        if process.returncode > 0:
            raise SystemExit(f"the process failed by itself with {process.returncode}")
        killed.append({"aimed_at": target, "history_step": last_step(out)})
        checkpoint = load_latest(RunFolder(out).checkpoints)
        assert checkpoint is not None
        resumed.append(checkpoint.meta["step"])
    call(going_on)
    left = [path.name for path in out.rglob("*.tmp*")]
    return {"killed": killed, "resumed_from": resumed, "half_written_files_left": len(left)}


def wait_for_step(process: subprocess.Popen[bytes], out: Path, target: int) -> None:
    """Until the process has got the history to `target`, with a checkpoint to go on from."""
    deadline = time.monotonic() + PATIENCE
    run = RunFolder(out)
    before = version(run.history)
    while time.monotonic() < deadline and process.poll() is None:
        went_on = version(run.history) != before and (run.checkpoints / LAST).exists()
        if went_on and last_step(out) >= target:
            return
        time.sleep(0.002)


def version(file: Path) -> int:
    return file.stat().st_mtime_ns if file.exists() else 0


def last_step(out: Path) -> int:
    """The last step of the history; a line that is being written does not count."""
    ticks = RunFolder(out).read_history()
    return ticks[-1]["step"] if ticks else 0


def equal(alone: Path, broken: Path) -> dict[str, bool]:
    """What of two runs is the same, bit for bit."""
    one, other = RunFolder(alone), RunFolder(broken)
    if one.recipe.read_bytes() != other.recipe.read_bytes():
        raise SystemExit("the recipe was changed while the benchmark ran")
    checks = {
        name: same_checkpoint(*(read(run.checkpoints / name) for run in (one, other)))
        for name in (LAST, BEST)
    }
    checks["history"] = history(one) == history(other)
    checks["model"] = files(one.model) == files(other.model)
    checks["snapshots"] = files(one.samples) == files(other.samples)
    samples = [sparring.sample(run.path, 64) for run in (one, other)]
    checks["samples"] = same_tensor(*samples)
    checks["metrics"] = one.metrics.read_bytes() == other.metrics.read_bytes()
    return checks


def same_checkpoint(one: Checkpoint, other: Checkpoint) -> bool:
    """All tensors and everything beside them but the clock."""
    meta = [{**found.meta, "seconds": None} for found in (one, other)]
    return (
        meta[0] == meta[1]
        and one.tensors.keys() == other.tensors.keys()
        and all(same_tensor(one.tensors[key], other.tensors[key]) for key in one.tensors)
    )


def same_tensor(one: Tensor, other: Tensor) -> bool:
    """The same bytes: also the same NaN, and not the other zero."""
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    raw = [tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in (one, other)]
    return torch.equal(*raw)


def history(run: RunFolder) -> list[dict[str, Any]]:
    ticks = [json.loads(line) for line in run.history.read_text().splitlines()]
    return [{key: value for key, value in tick.items() if key != "seconds"} for tick in ticks]


def files(folder: Path) -> dict[str, str]:
    """Hashes by name of all whole files; there is at least one."""
    whole = [path for path in folder.iterdir() if not path.name.startswith(".")]
    assert whole, folder
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in whole}


def show(recipe: str, figures: dict[str, Any]) -> None:
    rows = [
        {"killed at about": kill["history_step"], "resumed from": step}
        for kill, step in zip(figures["killed"], figures["resumed_from"], strict=True)
    ]
    print(common.table(rows, f"{recipe}, {figures['steps']} steps"))
    print(common.table([{"what": what, "equal": same} for what, same in figures["equal"].items()]))


if __name__ == "__main__":
    main()
