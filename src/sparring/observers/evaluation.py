"""Scores during training, which checkpoint is best, and whether better ones still come."""

from __future__ import annotations

import time
from typing import Any

from sparring import ranks
from sparring.data import Dataset
from sparring.lookup import find
from sparring.metrics import METRICS, Scorer, made_by
from sparring.recipe import Recipe
from sparring.run import RunFolder
from sparring.training import checkpoint
from sparring.training.loop import Tick
from sparring.training.state import State

FIRST_STOP = 0.25  # of the run: no plateau ends it before, since scores start by standing still


class Evaluation:
    """Scores the averaged generator on the selection split and keeps the best checkpoint.

    Several processes generate together; the first one scores.
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
        due = scheduled(tick.step, recipe) > scheduled(tick.step - recipe.tick, recipe)
        if (due or tick.is_last) and recipe.evaluation.metrics:
            started = time.perf_counter()
            tick.values |= {f"metric/{name}": value for name, value in self.score(state).items()}
            tick.values["evaluation_seconds"] = round(time.perf_counter() - started, 3)
            if recipe.evaluation.patience:
                tick.values["evaluations_since_best"] = self.since_best(state)

    def score(self, state: State) -> dict[str, float]:
        """Score the state now, and save it as `best` where it is."""
        config = state.recipe.evaluation
        player = state.game.averaged[0]
        self._scored_step = state.step
        network = state.ema[player].module
        with ranks.together():
            made = made_by(state.game, player, network, range(config.samples), "select")

        def scored() -> list[float]:
            if self._scorer is None:
                how: dict[str, Any] = {"weights": config.weights}
                self._scorer = Scorer(self.dataset, "select", config.features, **how)
            found = self._scorer.estimates(made, config.metrics)
            return [found[name].value for name in config.metrics]

        found = ranks.numbers(ranks.lead(scored) or [], len(config.metrics))
        values = dict(zip(config.metrics, found, strict=True))
        if self._is_better(values, config.metrics[0]):
            self._keep(state, values)
        return values

    def _keep(self, state: State, values: dict[str, float]) -> None:
        best = self.best = {"step": state.step, "metrics": values}
        ranks.lead(lambda: checkpoint.save(state, self.path, score=best, data=self.fingerprint))

    def since_best(self, state: State) -> int:
        """Evaluations after the best one: from the schedule, so that a resumed run counts alike."""
        recipe = state.recipe
        if self.best is None or recipe.evaluation.metrics[0] not in self.best["metrics"]:
            return 0
        return scheduled(state.step, recipe) - scheduled(self.best["step"], recipe)

    def has_stalled(self, state: State) -> bool:
        """Whether as many evaluations as the recipe's patience found nothing better."""
        patience = state.recipe.evaluation.patience
        if patience == 0 or state.progress < FIRST_STOP:
            return False
        return self.since_best(state) >= patience

    def finish(self, state: State) -> None:
        """Make sure that there is a best checkpoint, and that the last state had its chance."""
        if self._scored_step == state.step:
            return
        if state.recipe.evaluation.metrics:
            self.score(state)
        else:
            self._keep(state, {})

    def _is_better(self, values: dict[str, float], name: str) -> bool:
        if self.best is None or name not in self.best["metrics"]:
            return True
        new, old = values[name], self.best["metrics"][name]
        return new > old if find(METRICS, name, "metrics").higher_is_better else new < old


def scheduled(step: int, recipe: Recipe) -> int:
    """How many evaluations the schedule has had by a step: at ticks only, at most one each."""
    every, ticks = recipe.evaluation.every, step // recipe.tick
    return min(ticks, ticks * recipe.tick * recipe.batch_size // every) if every else 0
