"""What bounding the discriminator's slope costs: gradient penalties and spectral normalization.

    python -m benchmarks.penalty_cost [--quick] [--only digits wide]

All take turns in one process, in random order, 16 steps at a time so that a penalty each 16th step
comes once. Figures are CPU seconds of one thread, which other users of the machine disturb little:
ratios to no penalty within a round, their medians and 95% bootstrap bounds. Everything is in fp32,
since penalties are; where the hardware has bf16, what a penalty keeps one from using is told too.
"""

from __future__ import annotations

import random
import time
from typing import Any

from benchmarks import common
from sparring.data import open_data
from sparring.games import GAMES
from sparring.recipe import Data, Recipe
from sparring.recipes import load_recipe
from sparring.training.state import State
from sparring.training.step import make_move

STEPS, ROUNDS = 16, 5
BASE = "none"
FP32 = {"precision.generator": "fp32", "precision.discriminator": "fp32"}
SETTINGS: dict[str, dict[str, Any]] = {
    BASE: {},
    "gp": {"penalties": [{"name": "gp", "weight": 10.0}]},
    "lp": {"penalties": [{"name": "lp", "weight": 10.0}]},
    "dragan": {"penalties": [{"name": "dragan", "weight": 10.0}]},
    "gp, 5 moves of D": {
        "penalties": [{"name": "gp", "weight": 10.0}],
        "repeats.discriminator": 5,
    },
    "5 moves of D": {"repeats.discriminator": 5},
    "r1": {"penalties": [{"name": "r1", "weight": 0.1}]},
    "r1 every 16": {"penalties": [{"name": "r1", "weight": 0.1, "every": 16}]},
    "spectral norm": {"discriminator.spectral_norm": True},
    "none, bf16 where it is native": {"precision.generator": "auto"}
    | {"precision.discriminator": "auto"},
}
SIZES: dict[str, dict[str, Any]] = {
    "digits": {},
    "wide": {"generator.width": 64, "discriminator.width": 64, "batch_size": 8},
}

Row = dict[str, Any]


def main() -> None:
    parts = {name: lambda quick, name=name: measure(name, quick) for name in SIZES}
    common.run_parts(__doc__, "penalty_cost", parts, show)


def measure(name: str, quick: bool) -> Row:
    """Rounds of all settings on networks of one size."""
    states = {what: state_of(recipe_of(name, what)) for what in SETTINGS}
    rounds, steps = (1, 2) if quick else (ROUNDS, STEPS)
    times: dict[str, list[tuple[float, float]]] = {what: [] for what in SETTINGS}
    for state in states.values():
        some_steps(state, 2)  # does not count
        state.step = 0
    shuffle = random.Random(0)
    for _ in range(rounds):
        for what in shuffle.sample(list(states), len(states)):
            times[what].append(some_steps(states[what], steps))
    rows = [row(what, times[what], times[BASE]) for what in SETTINGS]
    recipe = recipe_of(name, BASE)
    return {
        "settings": {
            "rounds": rounds,
            "steps_a_round": steps,
            "batch_size": recipe.batch_size,
            "generator": recipe.generator.model_dump(),
            "discriminator": recipe.discriminator.model_dump(),
            "loss": recipe.loss.name,
        },
        "rows": rows,
        "outcome": outcome(name, rows),
    }


def recipe_of(size: str, what: str) -> Recipe:
    """The networks of `digits` without its penalty, and a setting."""
    return load_recipe("digits", {"penalties": []} | FP32 | SIZES[size] | SETTINGS[what])


def state_of(recipe: Recipe) -> State:
    return State(GAMES[recipe.game](recipe, open_data(Data()), common.CPU), recipe, common.CPU)


def some_steps(state: State, steps: int) -> tuple[float, float]:
    """CPU milliseconds a step of the discriminator's and of the generator's moves."""
    spent = [0.0, 0.0]
    for _ in range(steps):
        for place, phase in enumerate(state.game.phases):
            started = time.process_time()
            for repeat in range(phase.repeats):
                make_move(state, phase, repeat, state.step * state.recipe.batch_size)
            spent[place] += time.process_time() - started
        state.step += 1
    state.statistics.clear()
    return spent[0] / steps * 1000, spent[1] / steps * 1000


def row(what: str, times: list[tuple[float, float]], base: list[tuple[float, float]]) -> Row:
    """Milliseconds, and how many times those without a penalty they are."""
    step = common.bootstrap_median([sum(t) / sum(b) for t, b in zip(times, base, strict=True)])
    move = common.bootstrap_median([t[0] / b[0] for t, b in zip(times, base, strict=True)])
    return {
        "what": what,
        "ms_a_step": common.spread([sum(t) for t in times])["median"],
        "step": round(step["median"], 2),
        "step_low": round(step["low"], 2),
        "step_high": round(step["high"], 2),
        "d_move": round(move["median"], 2),
        "d_move_low": round(move["low"], 2),
        "d_move_high": round(move["high"], 2),
    }


def outcome(name: str, rows: list[Row]) -> str:
    said = {row["what"]: row for row in rows}
    words = [
        f"{what} {said[what]['step']:.2f} times (D alone {said[what]['d_move']:.2f})"
        for what in ("gp", "gp, 5 moves of D", "r1", "r1 every 16", "spectral norm")
    ]
    return f"A step on {name} networks against one without: {', '.join(words)}."


def show(part: str, result: Row) -> None:
    print(common.table(result["rows"], part))
    print(result["outcome"])


if __name__ == "__main__":
    main()
