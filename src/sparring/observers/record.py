"""Observers that write the run down: history, snapshots, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from sparring.data import Dataset
from sparring.games import LatentGame
from sparring.games.latent import CLOUD
from sparring.observers.referee import Referee
from sparring.recipe import Recipe
from sparring.report import Judge, judge_of, rows_picture, samples_picture, save_png
from sparring.run import RunFolder, append_text, line
from sparring.training import checkpoint
from sparring.training.loop import Tick
from sparring.training.state import State


class History:
    """One line of JSON a tick."""

    def __init__(self, folder: RunFolder, referee: Referee) -> None:
        self.folder = folder
        self.referee = referee

    def __call__(self, tick: Tick, state: State) -> None:
        seen = {} if self.referee.look is None else {"look": self.referee.look.json()}
        record = {
            "step": tick.step,
            "samples_seen": tick.samples_seen,
            "seconds": round(tick.seconds, 3),
            **tick.values,
            "findings": [finding.json() for finding in self.referee.new],
            **seen,
        }
        back = self.referee.rescued_at(tick.step - state.recipe.tick)
        append_text(self.folder.history, line(record | ({"rescue": back} if back else {})))


class Snapshots:
    """The same inputs through the averaged players, a picture every so often."""

    def __init__(self, folder: RunFolder, dataset: Dataset) -> None:
        self.folder = folder
        self.dataset = dataset
        self.backdrop = None if dataset.is_images else dataset.split("select")[:CLOUD]

    def __call__(self, tick: Tick, state: State) -> None:
        recipe = state.recipe
        if not (tick.is_last or snapshot_is_due(tick.step, recipe)):
            return
        averages = {name: average.module for name, average in state.ema.items()}
        shown = state.game.snapshot(averages)
        if len(shown) == 1:
            title = f"step {tick.step:,} · {tick.samples_seen:,} samples seen"
            judge = self._judge(state, shown[0])
            picture = samples_picture(shown[0], self.backdrop, title, judge=judge)
        else:
            picture = rows_picture(shown)
        save_png(picture, self.folder.samples / f"{tick.step}.png")

    def _judge(self, state: State, fake: torch.Tensor) -> Judge | None:
        """The discriminator now, where it can be drawn: on a line or in the plane."""
        game = state.game
        if self.backdrop is None or fake.shape[1] > 2 or not isinstance(game, LatentGame):
            return None
        return judge_of(game.players["discriminator"], game.loss, self.backdrop, fake)


def snapshot_is_due(step: int, recipe: Recipe) -> bool:
    """Evenly over the run, and at ticks 1, 2, 4, 8, ...: most happens early, and people wait."""
    ticks = step // recipe.tick
    before = (step - recipe.tick) * recipe.snapshots // recipe.steps
    return ticks & (ticks - 1) == 0 or step * recipe.snapshots // recipe.steps > before


class Checkpoints:
    """Saves `last` every so many seconds; saving never takes more than a twentieth of the time."""

    def __init__(
        self, folder: RunFolder, fingerprint: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder = folder.checkpoints
        self.fingerprint = fingerprint
        self.clock = clock
        self._last = clock()
        self._cost = 0.0

    def __call__(self, tick: Tick, state: State) -> None:
        waited = self.clock() - self._last
        if tick.is_last or waited >= max(state.recipe.checkpoint_seconds, 20 * self._cost):
            self.save(state, tick.seconds)

    def save(self, state: State, seconds: float) -> None:
        """Write `last` and keep the one before it as `previous`."""
        started = self.clock()
        checkpoint.save(
            state,
            self.folder / checkpoint.LAST,
            keep=self.folder / checkpoint.PREVIOUS,
            seconds=seconds,
            data=self.fingerprint,
        )
        self._last = self.clock()
        self._cost = self._last - started
