"""Scores during training, and which checkpoint is best."""

from __future__ import annotations

from typing import Any

from sparring.data import Dataset
from sparring.metrics import METRICS, Scorer, made_by
from sparring.run import RunFolder
from sparring.training import checkpoint
from sparring.training.loop import Tick
from sparring.training.state import State


class Evaluation:
    """Scores the averaged generator on the selection split and keeps the best checkpoint.

    The first metric of the recipe chooses. The schedule counts samples seen, never seconds.
    """

    def __init__(self, folder: RunFolder, dataset: Dataset, fingerprint: str) -> None:
        self.path = folder.checkpoints / checkpoint.BEST
        self.dataset = dataset
        self.fingerprint = fingerprint
        self.best: dict[str, Any] | None = None
        self._scorer: Scorer | None = None
        self._scored_step = -1

    def resume(self) -> str:
        """Take up the best checkpoint of the run so far; returns why it cannot be used, or ""."""
        try:
            self.best = checkpoint.read(self.path).meta["score"]
        except checkpoint.BrokenCheckpoint as problem:
            return str(problem)
        return ""

    def __call__(self, tick: Tick, state: State) -> None:
        recipe = state.recipe
        every = recipe.evaluation.every
        before = tick.samples_seen - recipe.tick * recipe.batch_size
        due = every and tick.samples_seen // every > before // every
        if (due or tick.is_last) and recipe.evaluation.metrics:
            tick.values |= {f"metric/{name}": value for name, value in self.score(state).items()}

    def score(self, state: State) -> dict[str, float]:
        """Score the state now, and save it as `best` where it is."""
        config = state.recipe.evaluation
        if self._scorer is None:
            self._scorer = Scorer(self.dataset, "select", config.features, weights=config.weights)
        average = state.ema[state.game.averaged[0]].module
        self._scored_step = state.step
        made = made_by(state.game, average, range(config.samples))
        found = self._scorer.estimates(made, config.metrics)
        values = {name: estimate.value for name, estimate in found.items()}
        if self._is_better(values, config.metrics[0]):
            self.best = {"step": state.step, "metrics": values}
            checkpoint.save(state, self.path, score=self.best, data=self.fingerprint)
        return values

    def finish(self, state: State) -> None:
        """Make sure that there is a best checkpoint, and that the last state had its chance."""
        if self._scored_step == state.step:
            return
        if state.recipe.evaluation.metrics:
            self.score(state)
        else:
            self.best = {"step": state.step, "metrics": {}}
            checkpoint.save(state, self.path, score=self.best, data=self.fingerprint)

    def _is_better(self, values: dict[str, float], name: str) -> bool:
        if self.best is None or name not in self.best["metrics"]:
            return True
        new, old = values[name], self.best["metrics"][name]
        return new > old if METRICS[name].higher_is_better else new < old
