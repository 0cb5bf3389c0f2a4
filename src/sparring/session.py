"""One training run from a resolved recipe to a finished run folder."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from sparring import ranks
from sparring.data import Dataset
from sparring.errors import DiskFull, Interrupted, StoppedByFinding
from sparring.games import prior_of
from sparring.launch import leads
from sparring.metrics import Scorer, made_by
from sparring.model import write_model
from sparring.observers import Checkpoints, Evaluation, History, Progress, Referee, Snapshots
from sparring.observers.referee import HEALTHY, GoBack
from sparring.recipe import Evaluation as EvaluationKeys
from sparring.referee import Finding, preflight
from sparring.report import write_report
from sparring.rescuing import Make, check_action, rescued
from sparring.run import RunFolder, write_json, write_text
from sparring.training import checkpoint
from sparring.training.loop import Observer, Tick, train
from sparring.training.state import State

MOST_EVALUATION = 0.1  # of a run's time
WORTH_TELLING = 5.0  # seconds of evaluation: nobody waits for less
# What the final table of images has beside the recipe's metrics, from so many test images on.
OF_IMAGES = ("precision", "recall", "density", "coverage", "two-sample", "memorization")
ENOUGH = 20


class Session:
    """Hands the loop its observers and finishes the run folder when it ends.

    `known` is what preflight found; `make` gives the state that a run of a recipe starts from.
    """

    def __init__(
        self,
        folder: RunFolder,
        state: State,
        dataset: Dataset,
        make: Make,
        known: Iterable[Finding] = (),
    ) -> None:
        check_action(state.recipe)
        self.folder = folder
        self.make = make
        self.state = state
        self.dataset = dataset
        fingerprint = dataset.fingerprint
        self.referee = Referee(state, dataset, known, folder, self._tell_finding)
        self.evaluation = Evaluation(folder, dataset, fingerprint)
        self.checkpoints = Checkpoints(folder, fingerprint)
        self.seconds = 0.0
        self.console = Console(stderr=True, quiet=not leads())

    def resume(self, found: checkpoint.Checkpoint, tell: Callable[[str], None]) -> None:
        """Go back to a checkpoint: state, history, best score."""
        checkpoint.restore(self.state, found)
        ranks.lead(lambda: self.folder.cut_history(self.state.step))
        problem = self.evaluation.resume()
        history = self.folder.read_history()
        if problem and any(key.startswith("metric/") for tick in history for key in tick):
            path = self.evaluation.path
            tell(f"checkpoint `{path}`: {problem}; the best is chosen anew from here on")
        self.referee.resume(self.state, history)
        rescues = read_findings(self.folder).get("rescues", [])
        self.referee.rescues = rescues[: self.state.recipe.redrawn]
        self.seconds = found.meta["seconds"]

    def train(self, time_limit: float | None = None) -> dict[str, Any]:
        """Train to the end, the time limit or an interruption; returns the summary.

        Raises Interrupted after a signal and StoppedByFinding, both with everything saved, and
        DiskFull, with the last checkpoint as it was.
        """
        try:
            ranks.even_out(list(checkpoint.tensors(self.state).values()))
            ranks.lead(self._write_first)
            return self._train(time_limit)
        except DiskFull as error:
            error.hint = f"free some space there, then {self._way_on()}"
            raise

    def _write_first(self) -> None:
        write_text(self.folder.recipe, self.state.recipe.dump())
        self.referee.write()
        healthy = self.folder.checkpoints / HEALTHY
        if self.state.recipe.referee.action == "rescue" and not healthy.exists():
            self.referee.keep(self.state, self.seconds)

    def _tell_finding(self, finding: Finding) -> None:
        """A new finding on stderr, above the live display."""
        style = {"info": "green", "warning": "yellow", "fatal": "bold red"}[finding.severity]
        words = f"{finding.code} (step {finding.step:,}): {finding.evidence}; {finding.advice}"
        self.console.print(words, style=style, highlight=False, markup=False, soft_wrap=True)

    def _way_on(self) -> str:
        path = self.folder.path
        if checkpoint.has_any(self.folder.checkpoints):
            return f"go on with: sparring train --resume --out {path}"
        return f"delete `{path}` and train again"

    def _train(self, time_limit: float | None) -> dict[str, Any]:
        deadline = time.monotonic() + time_limit if time_limit is not None else float("inf")
        with interruptions() as interrupted:
            while self._has_gone_back(deadline, interrupted):
                pass
        if ranks.any_of(bool(interrupted)):
            number = (interrupted or [signal.SIGTERM])[0]
            raise Interrupted(number, str(self.folder.path), self.state.step)
        with self.console.status("scoring the best checkpoint, writing the report"):
            self.evaluation.finish(self.state)
            return self._finish() if leads() else {"notes": []}

    def _has_gone_back(self, deadline: float, interrupted: list[int]) -> bool:
        """Train until the end, the deadline or a signal; whether a rescue needs more of it."""
        state = self.state
        history = History(self.folder, self.referee)
        try:
            with Progress(state, self.console) as progress:
                observers: list[Observer] = [
                    leading(self.referee),
                    self.evaluation,
                    leading(
                        Snapshots(self.folder, self.dataset), history, self.checkpoints, progress
                    ),
                ]
                self.seconds = train(
                    state,
                    observers,
                    lambda: (
                        bool(interrupted)
                        or time.monotonic() > deadline
                        or self.evaluation.has_stalled(state)
                    ),
                    self.seconds,
                )
                if state.step < state.recipe.steps:
                    state.statistics.unite()
                    ranks.lead(self._leave_unfinished)
        except GoBack as told:
            self._go_back(told.finding)
            return True
        except StoppedByFinding:
            if self.referee.tick is not None:  # what was seen at last stands in the history too
                history(self.referee.tick, state)
            raise
        return False

    def _go_back(self, finding: Finding) -> None:
        """Go on from the last healthy state with the change that a finding advises."""
        self.state, self.seconds, told = rescued(
            self.folder, self.state, finding, self.make, self.referee
        )
        self.referee.known = preflight(self.state.recipe, self.dataset, self.state.game)
        self.folder.cut_history(self.state.step)
        self.referee.rescues.append(told)
        self.referee.resume(self.state, self.folder.read_history())
        # At once, so that whatever happens the run goes on from here.
        self.checkpoints.save(self.state, self.seconds)
        self._write_first()
        changes = ", ".join(f"{key}: {old} → {new}" for key, (old, new) in told["changes"].items())
        words = f"rescue: {finding.evidence}; back from step {told['step']} to {told['to']}"
        self.console.print(f"{words} with {changes}", style="bold", markup=False, soft_wrap=True)

    def _leave_unfinished(self) -> None:
        self.referee.check(self._unfinished_tick(), self.state)
        self.checkpoints.save(self.state, self.seconds)

    def _unfinished_tick(self) -> Tick:
        """What is known of the tick that training ended in, for the referee."""
        state = self.state
        nonfinite = state.statistics.first_nonfinite(state.statistics.stacked())
        return Tick(state.step, state.samples_seen, self.seconds, False, nonfinite=nonfinite)

    def _finish(self) -> dict[str, Any]:
        """Score the best checkpoint on the test split; write model, pictures, report, summary."""
        state = self.state
        best = checkpoint.read(self.folder.checkpoints / checkpoint.BEST)
        score, (first, *others) = best.meta["score"], state.game.averaged
        metrics = self._ship(first, best, self.folder.model)
        for player in others:
            self._ship(player, best, self.folder.model / player.removeprefix("generator_"))
        write_json(self.folder.metrics, {"step": score["step"], "metrics": metrics})
        summary = self._summary(score, metrics)
        write_json(self.folder.summary, summary)
        self.referee.write()
        write_report(self.folder.path, self.dataset, state.game)
        return summary

    def _ship(self, player: str, best: checkpoint.Checkpoint, folder: Path) -> dict[str, Any]:
        """Write an averaged player of the best checkpoint as a model; returns its final scores."""
        state, dataset = self.state, self.state.game.makes(player)
        average = state.ema[player].module
        shipped = checkpoint.player_tensors(best, player)
        kept = {key: tensor.clone() for key, tensor in average.state_dict().items()}
        average.load_state_dict(shipped)
        try:
            metrics = self._final_metrics(player, average)
        finally:
            average.load_state_dict(kept)
        counts = prior_of(state.recipe.latent, dataset, average).class_counts
        found = [finding.json() for finding in self.referee.findings]
        step, verdict = best.meta["score"]["step"], self.referee.verdict
        write_model(folder, shipped, state.recipe, dataset, step, metrics, counts, verdict, found)
        return metrics

    def _final_metrics(self, player: str, generator: Any) -> dict[str, dict[str, Any]]:
        game, config = self.state.game, self.state.recipe.evaluation
        dataset = game.makes(player)
        names = final_metrics(config, dataset)
        if not names:
            return {}
        made = made_by(game, player, generator, range(config.final_samples), "test")
        scorer = Scorer(dataset, "test", config.features, weights=config.weights)
        records = scorer.score(made, names)
        return {name: record.json() for name, record in records.items()}

    def _summary(self, score: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
        state = self.state
        findings = [finding.json() for finding in self.referee.findings]
        history = self.folder.read_history()
        evaluating = sum(tick.get("evaluation_seconds", 0.0) for tick in history)
        return {
            "run": str(self.folder.path),
            "recipe": state.recipe.name,
            "data": self.dataset.name,
            "seconds": round(self.seconds, 2),
            "evaluation_seconds": round(evaluating, 2),
            "steps": state.step,
            "samples_seen": state.samples_seen,
            "samples_per_second": round(state.samples_seen / max(self.seconds, 1e-9), 1),
            "best": {"step": score["step"], "metrics": metrics},
            "verdict": self.referee.verdict,
            "findings": findings,
            "notes": self._notes(evaluating),
            "equilibrium": state.game.equilibrium(),
            "dataset": {
                "name": self.dataset.name,
                "description": self.dataset.description,
                "licence": self.dataset.licence,
            },
        }

    def _notes(self, evaluating: float) -> list[str]:
        """What the user should know of how the run went."""
        state, config = self.state, self.state.recipe.evaluation
        notes = []
        if state.step < state.recipe.steps and self.evaluation.has_stalled(state):
            assert self.evaluation.best is not None
            notes.append(
                f"stopped at step {state.step}: {config.metrics[0]} has not improved for "
                f"{config.patience} evaluations since step {self.evaluation.best['step']}"
            )
        share = evaluating / max(self.seconds + evaluating, 1e-9)
        if config.every and evaluating > WORTH_TELLING and share > MOST_EVALUATION:
            notes.append(f"evaluation took {share:.0%} of the run; raise evaluation.every")
        return notes


def final_metrics(config: EvaluationKeys, dataset: Dataset) -> list[str]:
    """The metrics of the final table."""
    if config.final_metrics is not None:
        return config.final_metrics
    few = not dataset.is_images or len(dataset.splits["test"]) < ENOUGH
    if few or not config.metrics:
        return config.metrics
    return [*config.metrics, *(name for name in OF_IMAGES if name not in config.metrics)]


def leading(*observers: Observer) -> Observer:
    """Observers that the first of several processes has alone."""

    def observe(tick: Tick, state: State) -> None:
        def all_of_them() -> None:
            for observer in observers:
                observer(tick, state)

        ranks.lead(all_of_them)

    return observe


@contextmanager
def interruptions() -> Iterator[list[int]]:
    """SIGINT and SIGTERM end training after the step; a second one ends it at once.

    Gives a list that the number of the first signal is put into.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before: dict[int, Callable[..., Any] | int | None] = {}

    def on_signal(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, before[number])

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, on_signal)
    try:
        yield received
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


def read_findings(folder: RunFolder) -> dict[str, Any]:
    """What the referee has seen in a run so far."""
    try:
        return dict(json.loads(folder.findings.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def read_summary(folder: RunFolder) -> dict[str, Any]:
    """The summary of a finished run, empty for one that is not."""
    if not folder.summary.is_file():
        return {}
    return dict(json.loads(folder.summary.read_text()))
