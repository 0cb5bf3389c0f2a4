"""What the referee costs: training with and without it, taking turns on one core."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks import common
from sparring.data import open_data
from sparring.games import GAMES
from sparring.observers import Referee
from sparring.recipes import load_recipe
from sparring.training.loop import train
from sparring.training.state import State

PAIRS, GOAL = 21, 0.03
# Steps of one turn: as many as lie between two looks of a whole run, some seconds at most.
TURNS = {"gaussian": 400, "digits": 100, "dcgan": 30}

Turn = Callable[[], None]


def cost(quick: bool) -> dict[str, Any]:
    """Processor time with the referee over that without, for each recipe as it is."""
    torch.set_num_threads(1)
    rows = [row(name, 3 if quick else PAIRS) for name in TURNS]
    goals = [
        common.goal(f"{one['recipe']}: share more", one["share_more"], GOAL, at_least=False)
        for one in rows
    ]
    return {"rows": rows, "goals": goals}


def row(name: str, pairs: int) -> dict[str, Any]:
    turns = {with_it: turn_of(name, with_it) for with_it in (False, True)}
    times: dict[bool, list[float]] = {False: [], True: []}
    order = random.Random(0)
    for turn in turns.values():
        turn()
    for _ in range(pairs):
        for with_it in order.sample([False, True], 2):
            began = time.process_time()
            turns[with_it]()
            times[with_it].append(time.process_time() - began)
    ratios = np.divide(times[True], times[False]) - 1
    found = common.bootstrap_median(list(ratios))
    milliseconds = 1e3 * float(np.median(times[False])) / TURNS[name]
    result = {
        "recipe": name,
        "pairs": pairs,
        "ms_a_step": round(milliseconds, 2),
        "share_more": round(found["median"], 4),
        "low": round(found["low"], 4),
        "high": round(found["high"], 4),
    }
    print(result, flush=True)
    return result
