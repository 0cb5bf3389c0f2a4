"""Where a step's time and memory go."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile

from benchmarks import common
from benchmarks.speed.cases import CASES
from benchmarks.speed.contenders import contender, data_of

TOP = 8
PROCESS = Path("/proc/self")


def profiled(run: Callable[[int], None], steps: int) -> list[dict[str, Any]]:
    """The operations that take the most time themselves, as shares of all of it."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        run(steps)
    averages = sorted(found.key_averages(), key=lambda one: -one.self_cpu_time_total)
    whole = sum(one.self_cpu_time_total for one in averages)
    return [
        {
            "operation": one.key,
            "share": round(one.self_cpu_time_total / whole, 3),
            "ms_a_step": round(one.self_cpu_time_total / steps / 1000, 3),
            "calls_a_step": round(one.count / steps, 1),
        }
        for one in averages[:TOP]
    ]


def memory(case: str, who: str) -> dict[str, Any]:
    """Peak resident megabytes of a process that only trains this, and what it had at first: the
    interpreter, PyTorch and the data. Nothing where Linux does not tell."""
    if not (PROCESS / "clear_refs").exists():
        return {"who": who}
    words = [sys.executable, "-m", "benchmarks.speed.inside", case, who]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return {"who": who} | json.loads(said.splitlines()[-1])


def megabytes(name: str) -> float:
    """A line of /proc/self/status: VmRSS, resident now, or VmHWM, the most so far."""
    lines = (PROCESS / "status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name))) / 1024


def main(case: str, who: str) -> None:
    """What a process of its own does for `memory`."""
    chosen = CASES[case]
    dataset = data_of(chosen)
    before = megabytes("VmRSS")
    (PROCESS / "clear_refs").write_text("5")  # the peak begins anew
    with common.scratch() as folder:
        run = contender(who, case, folder / "run", dataset)
        run(2 * min(chosen.steps, 8))
    peak = megabytes("VmHWM")
    print(json.dumps({"mb_peak": round(peak), "mb_before": round(before)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
