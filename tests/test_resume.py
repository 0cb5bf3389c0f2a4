"""Going on with a run: what is refused, what may change, what a broken file leads to."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import sparring
from helpers import QUICK
from sparring.api import Run
from sparring.data import read_samples
from sparring.errors import InputError, SparringError, StoppedByFinding
from sparring.objectives import Term
from sparring.recipes import load_recipe
from sparring.training import checkpoint

# Nothing in it depends on the number of steps, which may grow.
PLAIN = QUICK | {
    "penalties": [],
    "optimizer.generator.schedule": "constant",
    "optimizer.discriminator.schedule": "constant",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 12 steps, with a checkpoint before the last."""
    return sparring.train("ring", out=tmp_path_factory.mktemp("run") / "ring", overrides=PLAIN).path


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy to go on with."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def resumed(folder: Path, **options: Any) -> Run:
    return sparring.train(out=folder, resume=True, **options)


def refusal(folder: Path, **options: Any) -> SparringError:
    """Why resuming is refused; the folder is as it was after that."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(InputError) as problem:
        resumed(folder, **options)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    return problem.value


def last_of(folder: Path) -> checkpoint.Checkpoint:
    return checkpoint.read(folder / "checkpoints" / checkpoint.LAST)


def steps_of(run: Run) -> list[int]:
    return [tick["step"] for tick in run.folder.read_history()]


def test_steps_may_grow_and_the_end_is_that_of_the_longer_run(folder: Path, tmp_path: Path) -> None:
    longer = resumed(folder, overrides={"steps": 20})
    assert steps_of(longer) == [4, 8, 12, 16, 20]
    assert longer.summary["steps"] == load_recipe(longer.folder.recipe).steps == 20
    whole = sparring.train("ring", out=tmp_path / "whole", overrides=PLAIN | {"steps": 20})
    ours, theirs = (last_of(run.path).tensors for run in (longer, whole))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items())


def test_a_finished_run_may_be_resumed_and_stays_as_it_is(folder: Path) -> None:
    before = (folder / "history.jsonl").read_text()
    summary = json.loads((folder / "summary.json").read_text())
    again = resumed(folder)
    assert (folder / "history.jsonl").read_text() == before
    assert again.summary["best"] == summary["best"]
    assert again.summary["steps"] == 12


def test_a_longer_run_says_that_its_schedules_stretch(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    linear = {"optimizer.generator.schedule": "linear"}
    run = sparring.train("ring", out=tmp_path / "linear", overrides=QUICK | linear)
    capfd.readouterr()
    resumed(run.path, overrides={"steps": 16})
    assert "schedules now reach their end at the new number of steps" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"seed": 3}, ["seed: 0 → 3"]),
        ({"batch_size": 8}, ["batch_size: 16 → 8"]),
        ({"steps": 10}, ["steps: 12 → 10"]),
        ({"generator.width": [8]}, ["generator.width: "]),
        ({"generator.name": "dcgan"}, None),
        ({"loss.name": "hinge", "seed": 3}, ["loss.name: logistic → hinge", "seed: 0 → 3"]),
        ({"penalties": [{"name": "r1"}]}, ["penalties: [] → "]),
        ({"optimizer.generator.lr": 0.5}, ["optimizer.generator.lr: "]),
        ({"data.std": 0.5}, ["data.std: None → 0.5", "`ring` has other contents than before"]),
    ],
)
def test_a_changed_recipe_is_refused_with_its_keys(
    folder: Path, overrides: dict[str, Any], told: list[str] | None
) -> None:
    problem = refusal(folder, overrides=overrides)
    for words in told or []:
        assert words in problem.message
    if told:
        assert "--allow-changes" in problem.hint


def test_other_data_are_refused(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(100, 2))
    np.savez(tmp_path / "mine.npz", samples=values)
    run = sparring.train("ring", str(tmp_path / "mine.npz"), tmp_path / "run", QUICK)
    np.savez(tmp_path / "mine.npz", samples=values + 1e-3)
    assert "`mine` has other contents than before" in refusal(run.path).message
    np.savez(tmp_path / "mine.npz", samples=values)
    assert resumed(run.path).summary["steps"] == 12
    assert read_samples(tmp_path / "mine.npz").shape == (100, 2)


@pytest.mark.parametrize(
    "overrides",
    [
        {"evaluation.metrics": ["modes", "fid"], "evaluation.samples": 50},
        {"title": "mine", "snapshots": 7, "checkpoint_seconds": 60, "device": "cpu"},
    ],
)
def test_what_does_not_change_training_may_change(folder: Path, overrides: dict[str, Any]) -> None:
    run = resumed(folder, overrides=overrides | {"steps": 16})
    assert run.summary["steps"] == 16


def test_a_change_is_made_if_the_user_says_so(folder: Path) -> None:
    run = resumed(folder, overrides={"loss.name": "hinge", "steps": 16}, allow_changes=True)
    assert load_recipe(run.folder.recipe).loss.name == "hinge"
    assert steps_of(run) == [4, 8, 12, 16]
    assert run.summary["equilibrium"]["loss/discriminator"] == 2


def test_a_change_that_cannot_be_made_leaves_the_run_as_it_was(folder: Path) -> None:
    problem = refusal(folder, overrides={"generator.width": [9]}, allow_changes=True)
    assert "does not fit `generator`" in problem.message
    assert resumed(folder).summary["steps"] == 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": None}, "--resume needs to know which run"),
        ({"out": "nowhere"}, "`nowhere` holds no run"),
    ],
)
def test_a_run_to_go_on_with_has_to_be_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sparring.train(resume=True, **options)


def test_a_folder_that_holds_a_run_is_not_overwritten(folder: Path) -> None:
    with pytest.raises(InputError, match="holds a run already") as problem:
        sparring.train("ring", out=folder, overrides=QUICK)
    assert "--resume" in problem.value.hint


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [damaged, Path.unlink], ids=["flipped", "missing"])
def test_a_broken_last_checkpoint_costs_some_steps_only(
    folder: Path, capfd: pytest.CaptureFixture[str], damage: Callable[[Path], None]
) -> None:
    # Cloned, because what is read lies in the file that is about to be damaged.
    expected = {key: tensor.clone() for key, tensor in last_of(folder).tensors.items()}
    history = [json.loads(line) for line in (folder / "history.jsonl").open()]
    damage(folder / "checkpoints" / checkpoint.LAST)
    run = resumed(folder)
    told = capfd.readouterr().err
    assert re.search(r"going on from `previous\.safetensors` \(step [48]\)", told)
    found = last_of(folder).tensors
    assert all(torch.equal(tensor, expected[key]) for key, tensor in found.items())
    again = run.folder.read_history()
    for tick in (*history, *again):
        tick.pop("seconds")
        tick.pop("evaluation_seconds", None)
    assert again == history


def test_two_broken_checkpoints_are_told_with_what_to_do(folder: Path) -> None:
    for name in (checkpoint.LAST, checkpoint.PREVIOUS):
        damaged(folder / "checkpoints" / name)
    problem = refusal(folder)
    assert checkpoint.LAST in problem.message
    assert checkpoint.PREVIOUS in problem.message
    assert "--out" in problem.hint
    shutil.rmtree(folder / "checkpoints")
    assert "has no checkpoint yet" in refusal(folder).message


def test_a_history_cut_short_by_a_crash_is_mended(folder: Path) -> None:
    before = (folder / "history.jsonl").read_text()
    (folder / "history.jsonl").write_text(before[:-30])
    with (folder / "checkpoints" / checkpoint.LAST).open("ab") as file:
        file.write(b"x")
    resumed(folder)
    lines = [json.loads(line) for line in (folder / "history.jsonl").open()]
    assert [tick["step"] for tick in lines] == [4, 8, 12]


def test_another_runs_weights_are_a_start(finished: Path, tmp_path: Path) -> None:
    best = checkpoint.read(finished / "checkpoints" / checkpoint.BEST).tensors
    still = {"optimizer.generator.lr": 1e-30, "optimizer.discriminator.lr": 1e-30}
    run = sparring.train("ring", out=tmp_path / "run", overrides=QUICK | still, init=finished)
    now = last_of(run.path).tensors
    for key, tensor in now.items():
        if key.startswith("player/"):
            torch.testing.assert_close(tensor, best[key])
    assert steps_of(run) == [4, 8, 12]


def test_a_start_that_fits_in_part_is_told(
    finished: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = QUICK | {"generator.width": [128, 64]}
    sparring.train("ring", out=tmp_path / "run", overrides=other, init=finished)
    told = capfd.readouterr().err
    assert "tensors do not fit and start fresh, the first is generator.layers." in told


def test_a_start_that_is_none_is_refused(tmp_path: Path) -> None:
    for init in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InputError):
            sparring.train("ring", out=tmp_path / "run", overrides=QUICK, init=init)
    # What failed to begin is not in the way of the next attempt.
    sparring.train("ring", out=tmp_path / "run", overrides=QUICK | {"steps": 1})


def trap(step: int) -> Term:
    """A term that is NaN from a step on."""

    def fn(batch: Any) -> Tensor:
        return batch.on_fake.logits * (float("nan") if batch.move.step >= step else 0.0)

    return Term("trap", fn)


def test_nan_ends_a_run_and_the_last_good_checkpoint_remains(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(StoppedByFinding, match=r"loss/generator/trap .* since step 9") as stop:
        sparring.train("ring", out=out, overrides=QUICK, terms=[trap(9)])
    assert stop.value.exit_code == 3
    found = last_of(out)
    assert found.meta["step"] in (4, 8)
    assert all(tensor.isfinite().all() for tensor in found.tensors.values())
    findings = json.loads((out / "findings.json").read_text())
    assert findings["verdict"] == "unhealthy"
    (finding,) = findings["findings"]
    assert (finding["code"], finding["severity"], finding["step"]) == ("nonfinite", "fatal", 9)
    # Without the trap it goes on from there.
    assert sparring.train(out=out, resume=True, allow_changes=True).summary["steps"] == 12


def test_nan_between_two_ticks_is_not_saved_when_the_time_is_up(tmp_path: Path) -> None:
    out = tmp_path / "run"
    long = QUICK | {"steps": 10**9, "tick": 10**8}
    with pytest.raises(StoppedByFinding, match="loss/generator/trap"):
        sparring.train("ring", out=out, overrides=long, terms=[trap(9)], time_limit=0.5)
    assert not (out / "checkpoints" / checkpoint.LAST).exists()


@pytest.mark.parametrize("seconds", [0, 0.3])
def test_time_ends_a_run_as_if_it_were_finished(tmp_path: Path, seconds: float) -> None:
    long = QUICK | {"steps": 10**9, "tick": 50}
    run = sparring.train("ring", out=tmp_path / "run", overrides=long, time_limit=seconds)
    summary = run.summary
    assert (summary["steps"] == 0) == (seconds == 0)
    assert summary["samples_seen"] == 16 * summary["steps"]
    assert run.sample(3).shape == (3, 2)
    assert run.folder.report.is_file()
    longer = resumed(run.path, time_limit=0.3)
    assert longer.summary["steps"] > summary["steps"]


def test_what_came_from_code_must_be_given_again(tmp_path: Path) -> None:
    drift = Term("drift", lambda batch: batch.on_real.logits.square(), 0.01)
    folder = tmp_path / "run"
    sparring.train("gaussian", out=folder, overrides=QUICK, penalties=[drift])
    with pytest.raises(InputError, match=r"custom.*drift"):
        sparring.train(out=folder, resume=True)
    sparring.train(out=folder, resume=True, penalties=[drift])


def test_resume_and_init_exclude_each_other(folder: Path) -> None:
    with pytest.raises(InputError, match="--init starts a run"):
        sparring.train(out=folder, resume=True, init=folder)
