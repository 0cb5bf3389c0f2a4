"""The loop: steps, and once a tick the observers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sparring import ranks
from sparring.machine import keep_freed_memory
from sparring.training.state import State
from sparring.training.step import run_step

AGREE_EVERY = 8  # steps; asking each other takes a message


@dataclass
class Tick:
    """What observers are told: figures over the steps since the last tick.

    `values` goes to the history as it is; observers may add to it. `seconds` is training time,
    without the observers' own. `nonfinite` names the first bad statistic and its step.
    """

    step: int
    samples_seen: int
    seconds: float
    is_last: bool
    values: dict[str, float] = field(default_factory=dict)
    nonfinite: tuple[str, int] | None = None


Observer = Callable[[Tick, State], None]


def train(
    state: State,
    observers: Sequence[Observer],
    should_stop: Callable[[], bool] = lambda: False,
    seconds_before: float = 0.0,
) -> float:
    """Run steps until the recipe's number of them, or until `should_stop` between two of them.

    Observers run at every recipe.tick-th step and at the last one; a run that is stopped between
    keeps its statistics in the state. Returns the seconds of training, with `seconds_before`.
    """
    keep_freed_memory()
    recipe = state.recipe
    seconds = seconds_before
    started = time.perf_counter()
    while state.step < recipe.steps and not _is_over(state, should_stop):
        run_step(state)
        is_last = state.step == recipe.steps
        if state.step % recipe.tick == 0 or is_last:
            tick = collect(state, is_last)
            seconds += time.perf_counter() - started
            tick.seconds = seconds
            for observer in observers:
                observer(tick, state)
            started = time.perf_counter()
    return seconds + time.perf_counter() - started


def _is_over(state: State, should_stop: Callable[[], bool]) -> bool:
    """Whether to stop; several processes agree on it every few steps."""
    if ranks.count() == 1:
        return should_stop()
    return state.step % AGREE_EVERY == 0 and ranks.any_of(should_stop())


def collect(state: State, is_last: bool) -> Tick:
    """Reduce the statistics since the last tick; the only place where training waits for them."""
    state.statistics.unite()
    stacked = state.statistics.stacked()
    values = {
        name: kept.mean().item() for name, kept in stacked.items() if not name.startswith("logits")
    }
    values |= state.game.watch(stacked)
    nonfinite = state.statistics.first_nonfinite(stacked)
    state.statistics.clear()
    return Tick(state.step, state.samples_seen, 0.0, is_last, values, nonfinite)
