"""What the referee costs: training with and without it, taking turns on one core.

A turn is so many steps, with some looks or with none. What a look adds is taken as often as a whole
run is looked at, over the steps of a whole run; what the first one adds to that is counted once.
"""

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
from sparring.recipe import Recipe
from sparring.recipes import load_recipe
from sparring.referee.gauge import EARLY, is_due
from sparring.training.loop import Tick, train
from sparring.training.state import State

PAIRS, GOAL = 21, 0.03
STEPS = {"gaussian": 100, "digits": 40, "dcgan": 20}  # of a turn
LOOKS = {"gaussian": 10, "digits": 4, "dcgan": 2}  # in a turn: enough to stand out of the noise

Turn = Callable[[], None]


def cost(quick: bool) -> dict[str, Any]:
    """Processor time with the referee over that without, for each recipe as it is."""
    torch.set_num_threads(1)
    rows = [row(name, 3 if quick else PAIRS) for name in STEPS]
    goals = [
        common.goal(f"{one['recipe']}: share more, high", one["high"], GOAL, at_least=False)
        for one in rows
    ]
    return {"rows": rows, "goals": goals}


def row(name: str, pairs: int) -> dict[str, Any]:
    whole = load_recipe(name)
    turn_of(name, False)()  # what only the first steps of a process cost is nobody's
    with_it, without = turn_of(name, True), turn_of(name, False)
    first = seconds_of(with_it) - seconds_of(without)
    for turn in (with_it, without) * EARLY:
        turn()
    added, bare = [], []
    order = random.Random(0)
    for _ in range(pairs):
        taken = {}
        for turn in order.sample([with_it, without], 2):
            taken[turn] = seconds_of(turn)
        added.append((taken[with_it] - taken[without]) / LOOKS[name])
        bare.append(taken[without])
    step = float(np.median(bare)) / STEPS[name]
    looks = looks_in(whole)
    once = max(first - LOOKS[name] * float(np.median(added)), 0.0)
    shares = [(looks * one + once) / (whole.steps * step) for one in added]
    found = common.bootstrap_median(shares)
    result = {
        "recipe": name,
        "pairs": pairs,
        "ms_a_step": round(1e3 * step, 2),
        "ms_a_look": round(1e3 * float(np.median(added)), 1),
        "looks": looks,
        "seconds_once": round(once, 2),
        **{key: round(value, 4) for key, value in found.items()},
    }
    print(result, flush=True)
    return result


def looks_in(recipe: Recipe) -> int:
    """How often a whole run is looked at."""
    ticks = range(recipe.tick, recipe.steps + 1, recipe.tick)
    return sum(is_due(Tick(k, 0, 0.0, k == recipe.steps), recipe) for k in ticks)


def turn_of(name: str, enabled: bool) -> Turn:
    """So many steps and ticks, each with a look where the referee is enabled."""
    steps = STEPS[name]
    tick = steps // LOOKS[name]
    recipe = load_recipe(
        name, {"steps": 10**9, "tick": tick, "evaluation.every": 0, "referee.enabled": enabled}
    )
    recipe.referee.samples_each = tick * recipe.batch_size
    dataset = open_data(recipe.data)
    state = State(GAMES[recipe.game](recipe, dataset, common.CPU), recipe, common.CPU)
    observers = [Referee(state, dataset)]

    def turn() -> None:
        end = state.step + steps
        train(state, observers, lambda: state.step >= end)

    return turn


def seconds_of(turn: Turn) -> float:
    """Processor time, which others on the machine do not add to."""
    began = time.process_time()
    turn()
    return time.process_time() - began
