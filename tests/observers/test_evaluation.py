"""A plateau ends a run as if it were finished, wherever it was interrupted before."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

import sparring
from helpers import QUICK, Command, small_recipe, small_state, toy, words_of
from sparring.errors import InputError
from sparring.metrics import Estimate, Metric
from sparring.observers import Evaluation
from sparring.observers.evaluation import scheduled
from sparring.recipe import Evaluation as Keys
from sparring.run import RunFolder
from sparring.session import ENOUGH, OF_IMAGES, Session, final_metrics
from sparring.training.loop import Tick, train
from sparring.training.state import State

# A rate at which little is learned, and nothing that depends on how long the run is planned.
STUCK: dict[str, Any] = QUICK | {
    "steps": 80,
    "optimizer.generator.lr": 0.5,
    "ema.half_life": 0,
    "penalties": [],
    "optimizer.generator.schedule": "constant",
    "optimizer.discriminator.schedule": "constant",
    "evaluation": QUICK["evaluation"] | {"every": 64, "patience": 3},
}

CALLS: list[int] = []


def _rising(comparison: object) -> Estimate:
    CALLS.append(1)
    return Estimate(float(len(CALLS)))


RISING = Metric(_rising)


def steps_of(run: sparring.Run) -> list[int]:
    return [tick["step"] for tick in run.folder.read_history()]


@pytest.mark.parametrize(
    ("tick", "batch", "every"), [(4, 8, 32), (4, 8, 50), (4, 8, 100), (4, 8, 7), (3, 5, 0)]
)
def test_evaluations_are_counted_as_they_happen(
    tmp_path: Path, tick: int, batch: int, every: int
) -> None:
    config = {"metrics": ["fid"], "every": every, "samples": 4}
    recipe = small_recipe(steps=61, tick=tick, batch_size=batch, evaluation=config)
    evaluation = Evaluation(RunFolder(tmp_path), toy(), "data")
    state, scored = small_state(recipe), []

    def watch(now: Tick, state: State) -> None:
        if "metric/fid" in now.values:
            scored.append(now.step)

    train(state, [evaluation, watch])
    for step in range(61):
        assert scheduled(step, recipe) == sum(done <= step for done in scored), step


def test_a_plateau_ends_the_run_like_a_finished_one(tmp_path: Path, command: Command) -> None:
    out = tmp_path / "run"
    answer = command("train", "ring", *words_of(STUCK), "--out", str(out), "--json")
    assert answer.code == 0
    summary = answer.value
    steps, best = summary["steps"], summary["best"]["step"]
    assert 20 <= steps < 80  # a quarter of the run is given to every run
    assert steps >= best + 3 * 4
    note = f"stopped at step {steps}: fid has not improved for 3 evaluations since step {best}"
    assert json.loads((out / "summary.json").read_text())["notes"] == [note]
    assert note in answer.stderr
    ticks = [json.loads(line) for line in (out / "history.jsonl").open()]
    assert ticks[-1]["step"] == steps
    assert ticks[-1]["evaluations_since_best"] == (steps - best) // 4
    assert note in (out / "report.html").read_text()
    assert (out / "model" / "model.safetensors").is_file()


def test_a_resumed_run_stops_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    whole = sparring.train("ring", out=tmp_path / "whole", overrides=STUCK)
    half = STUCK | {"steps": 16, "evaluation": STUCK["evaluation"] | {"patience": 0}}
    sparring.train("ring", out=tmp_path / "half", overrides=half)
    longer = {"steps": 80, "evaluation.patience": 3}
    rest = sparring.train(out=tmp_path / "half", overrides=longer, resume=True)
    assert rest.summary["notes"] == whole.summary["notes"]
    assert steps_of(rest) == steps_of(whole)
    again = sparring.train(out=tmp_path / "half", resume=True)
    assert again.summary["steps"] == whole.summary["steps"]


def test_without_patience_nothing_stops_early(tmp_path: Path) -> None:
    patient = {**STUCK, "steps": 40, "evaluation": STUCK["evaluation"] | {"patience": 0}}
    run = sparring.train("ring", out=tmp_path / "run", overrides=patient)
    assert run.summary["steps"] == 40
    assert "evaluations_since_best" not in run.folder.read_history()[-1]


@pytest.mark.parametrize("left_out", ["evaluation.every=0", "evaluation.metrics=[]"])
def test_patience_needs_something_to_wait_for(left_out: str) -> None:
    with pytest.raises(InputError, match="patience counts evaluations"):
        sparring.train("ring", overrides=["evaluation.patience=2", left_out])


def test_a_metric_of_ones_own_may_choose(tmp_path: Path) -> None:
    own = {"evaluation": {"metrics": [f"{__name__}:RISING"], "every": 64, "samples": 100}}
    run = sparring.train("ring", out=tmp_path / "run", overrides=QUICK | own)
    assert run.summary["best"]["step"] == 4  # its value rises at each call


def test_evaluation_that_takes_much_of_a_run_is_told(tmp_path: Path) -> None:
    session = Session(RunFolder(tmp_path), small_state(), toy(), small_state)
    session.seconds = 77.0
    assert session._notes(23.0) == ["evaluation took 23% of the run; raise evaluation.every"]
    assert session._notes(8.0) == []
    session.seconds = 1.0
    assert session._notes(3.0) == []  # seconds, however large a share
    session.state.recipe.evaluation.every = 0
    assert session._notes(100.0) == []


def test_the_final_table_of_images_tells_more_than_what_chose() -> None:
    digits = toy("mnist5k")
    few = dataclasses.replace(digits, splits=digits.splits | {"test": torch.arange(ENOUGH - 1)})
    assert final_metrics(Keys(metrics=["kid"]), digits) == ["kid", *OF_IMAGES]
    assert final_metrics(Keys(metrics=["recall"]), digits).count("recall") == 1
    assert final_metrics(Keys(), toy("ring")) == ["kid", "fid"]
    assert final_metrics(Keys(final_metrics=["is"]), digits) == ["is"]
    assert final_metrics(Keys(metrics=[]), digits) == []
    assert final_metrics(Keys(), few) == ["kid", "fid"]  # some have no neighbours to ask


def test_an_unknown_final_metric_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no `fdi`"):
        sparring.train(out=tmp_path / "run", overrides=["evaluation.final_metrics=[fdi]"])
    assert not (tmp_path / "run").exists()
