"""Workers of the benchmarks of several processes: they make steps of a recipe, and say how it went.

    python -m benchmarks.processes time RECIPE BATCH_SIZE STEPS
    python -m benchmarks.processes weights RECIPE DTYPE STEPS FILE [KEY=VALUE ...]
    python -m benchmarks.processes traffic RECIPE BATCH_SIZE [KEY=VALUE ...]
    python -m benchmarks.processes messages TIMES NUMBERS ...

Started by torchrun they share each batch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import common
from sparring import ranks
from sparring.data import open_data
from sparring.games import GAMES
from sparring.launch import leads
from sparring.recipes import load_recipe, parse_override
from sparring.training.state import State
from sparring.training.step import run_step

WARM = 16
ROUND = 16  # steps that hold each lazy penalty
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
TORCHRUN = ["-m", "torch.distributed.run", "--standalone"]


def start(*words: str, processes: int = 1) -> subprocess.Popen[str]:
    """A worker, or so many that share each batch, of one thread each."""
    launcher = [*TORCHRUN, f"--nproc-per-node={processes}"] if processes > 1 else []
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "benchmarks.processes", *words],
        env=os.environ | ONE_THREAD,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> list[str]:
    """What it printed; RuntimeError if it failed."""
    out, told = process.communicate()
    if process.returncode:
        raise RuntimeError(told)
    return out.strip().splitlines()


def milliseconds(
    name: str, batch_size: int, steps: int, processes: int = 1, at_once: int = 1
) -> float:
    """A step of so many processes that share a batch, or of as many that know nothing of another.

    The latter begin together, and the mean of theirs is given.
    """
    words = ("time", name, str(batch_size), str(steps))
    workers = [start(*words, processes=processes) for _ in range(at_once)]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()  # it is ready
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    times = [float(json.loads(ended(worker)[-1])) for worker in workers]
    return sum(times) / len(times)


def state_of(name: str, dtype: torch.dtype = torch.float32, **overrides: Any) -> State:
    """The beginning of a recipe, in float64 where that is asked for."""
    recipe = load_recipe(name, overrides)
    game = GAMES[recipe.game](recipe, open_data(recipe.data), common.CPU)
    if dtype != torch.float32:
        game.dtype = dtype
        terms = [term.fn for phase in game.phases for term in phase.terms]
        modules = [*game.players.values(), *game.memories.values()]
        for module in (*modules, *(fn for fn in terms if isinstance(fn, nn.Module))):
            module.to(dtype)
    return State(game, recipe, common.CPU)


@ranks.joined()
def time_steps(name: str, batch_size: int, steps: int) -> None:
    """Print how long a step takes."""
    state = state_of(name, batch_size=batch_size)
    for _ in range(WARM):
        run_step(state)
    state.statistics.clear()
    if leads():
        print("ready", flush=True)
        sys.stdin.readline()
    ranks.any_of(False)  # all begin together
    began = time.perf_counter()
    for _ in range(steps):
        run_step(state)
    seconds = time.perf_counter() - began
    if leads():
        print(json.dumps(1000 * seconds / steps))


@ranks.joined()
def write_weights(name: str, dtype: str, steps: int, file: Path, words: list[str]) -> None:
    """Write what is trained, and its averages, after so many steps in full precision."""
    exact: dict[str, Any] = {f"precision.{one}": "fp32" for one in ("generator", "discriminator")}
    exact |= dict(map(parse_override, words))
    state = state_of(name, getattr(torch, dtype), **exact)
    for _ in range(steps):
        run_step(state)
        state.statistics.clear()
    players = state.game.players | {f"average/{k}": ema.module for k, ema in state.ema.items()}
    if leads():
        save_file(
            {
                f"{player}/{key}": tensor.detach().clone(memory_format=torch.contiguous_format)
                for player, module in players.items()
                for key, tensor in module.named_parameters()
            },
            file,
        )


@ranks.joined()
def count_traffic(name: str, batch_size: int, words: list[str]) -> None:
    """Print a step's messages, their bytes and PyTorch's operations: means over a round."""
    state = state_of(name, batch_size=batch_size, **dict(map(parse_override, words)))
    found = {"messages": 0, "bytes": 0}
    add_up = ranks._add_up

    def counted(x: torch.Tensor) -> None:
        found["messages"] += 1
        found["bytes"] += x.numel() * x.element_size()
        add_up(x)

    run_step(state)
    ranks._add_up = counted
    with Operations() as operations:
        for _ in range(ROUND):
            run_step(state)
    if leads():
        totals = {**found, "operations": operations.total}
        print(json.dumps({key: value / ROUND for key, value in totals.items()}), flush=True)


class Operations(TorchDispatchMode):
    """Counts what is dispatched: on a GPU about as many kernels."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.total += 1
        return func(*args, **(kwargs or {}))


@ranks.joined()
def time_messages(times: int, sizes: list[int]) -> None:
    """Print the median seconds of a sum over the processes, for each count of float32 numbers."""
    found = []
    for size in sizes:
        x = torch.ones(size)
        seconds = []
        for _ in range(times):
            began = time.perf_counter()
            ranks._add_up(x)
            seconds.append(time.perf_counter() - began)
            x.fill_(1.0)
        found.append(median(seconds))
    if leads():
        print(json.dumps(found), flush=True)


def main() -> None:
    torch.set_num_threads(1)
    what, first, *rest = sys.argv[1:]
    if what == "time":
        time_steps(first, int(rest[0]), int(rest[1]))
    elif what == "weights":
        write_weights(first, rest[0], int(rest[1]), Path(rest[2]), rest[3:])
    elif what == "traffic":
        count_traffic(first, int(rest[0]), rest[1:])
    else:
        time_messages(int(first), [int(word) for word in rest])


if __name__ == "__main__":
    main()
