"""Contenders in turns: times, ratios, and what they say."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

from benchmarks import common
from benchmarks.speed.contenders import PACKAGE, PACKAGE_FP32, Run

FEWEST, MOST = 5, 30  # rounds


def interleaved(
    contenders: Mapping[str, Run], steps: int, budget: float, quick: bool
) -> dict[str, list[float]]:
    """Milliseconds a step of each contender in each round, after one round that does not count.

    A round is `steps` of each, in random order; there are rounds until `budget` seconds are over.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    shuffle = random.Random(0)
    for run in contenders.values():
        run(steps)
    started, rounds = time.perf_counter(), 0
    fewest, most = (2, 2) if quick else (FEWEST, MOST)
    while rounds < fewest or (rounds < most and time.perf_counter() - started < budget):
        for name in shuffle.sample(list(contenders), len(contenders)):
            seconds = common.timed(lambda run=contenders[name]: run(steps))
            times[name].append(seconds / steps * 1000)
        rounds += 1
    return times


def rows(times: dict[str, list[float]]) -> list[dict[str, Any]]:
    """A row each: milliseconds a step, and how many times the package's they are."""
    found = []
    for name, values in times.items():
        row: dict[str, Any] = {"who": name} | {
            f"ms_{key}": value for key, value in common.spread(values, digits=3).items()
        }
        for of, base in (("", PACKAGE), ("_fp32", PACKAGE_FP32)):
            bounds = ratio(times, name, base) if base in times else {}
            row |= {f"ratio{of}_{key}": round(value, 3) for key, value in bounds.items()}
        found.append(row)
    return found


def ratio(times: dict[str, list[float]], over: str, under: str) -> dict[str, float]:
    """The median of the ratios within rounds, with 95% bootstrap bounds."""
    pairs = zip(times[over], times[under], strict=True)
    return common.bootstrap_median([one / other for one, other in pairs])
