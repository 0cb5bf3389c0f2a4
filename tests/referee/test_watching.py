"""The referee over real runs: what it sees, that it changes nothing, that it stops and rescues."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import sparring
from helpers import THIN, D, small_recipe, small_state, toy
from sparring.errors import InputError, StoppedByFinding
from sparring.objectives import Term
from sparring.observers import Referee
from sparring.recipe import Recipe
from sparring.referee import FINDINGS, Finding, Look, judge
from sparring.referee.facts import Facts
from sparring.referee.gauge import Gauge, scheduled
from sparring.training import checkpoint
from sparring.training.loop import Tick, train
from sparring.training.state import State

# Short runs without scores and with few pictures.
SHORT: dict[str, Any] = {
    "tick": 10,
    "snapshots": 1,
    "checkpoint_seconds": 1000,
    "evaluation": {"metrics": [], "every": 0},
}
RING = SHORT | {
    "steps": 200,
    "batch_size": 64,
    "data.std": 0.1,
    "generator.width": [64, 64],
    "discriminator.width": [64, 64],
}


def findings_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "findings.json").read_text())


def looks_of(folder: Path) -> list[Look]:
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [Look.read(line["look"]) for line in lines if "look" in line]


def last_of(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read(folder / "checkpoints" / checkpoint.LAST).tensors


def test_looks_are_due_by_samples_seen_and_more_often_early() -> None:
    recipe = Recipe(steps=3200, batch_size=10, tick=10)
    due = [
        step
        for step in range(10, 3201, 10)
        if scheduled(step, recipe) > scheduled(step - 10, recipe)
    ]
    assert len(due) == 20
    assert due[:3] == [100, 200, 300]
    assert due[-2:] == [3000, 3200]
    long = Recipe(steps=10**6, batch_size=10, tick=10)
    assert scheduled(10**6, long) == 10**7 // 20_000 + 4


def test_a_run_trains_bit_for_bit_alike_with_and_without_it(tmp_path: Path) -> None:
    changes = SHORT | THIN | {"steps": 40, "batch_size": 8, "generator.normalization": "batch"}
    for name in ("with", "without"):
        keys = changes | {"referee.enabled": name == "with"}
        sparring.train("digits", out=tmp_path / name, overrides=keys)
    ours, theirs = last_of(tmp_path / "with"), last_of(tmp_path / "without")
    assert ours.keys() - theirs.keys() == {key for key in ours if key.startswith("observer/")}
    assert all(torch.equal(tensor, ours[key]) for key, tensor in theirs.items())
    looks = looks_of(tmp_path / "with")
    assert len(looks) >= 4
    assert looks_of(tmp_path / "without") == []
    assert looks[-1].step == 40
    for name in ("distance", "diversity", "separation", "entropy", "copies", "saturated"):
        assert getattr(looks[-1], name) is not None
    again = judge(Facts.read(findings_of(tmp_path / "with")["facts"]), looks)
    assert again[0] == findings_of(tmp_path / "with")["verdict"]


def modes_of(state: State) -> list[bool]:
    return [layer.training for one in state.game.players.values() for layer in one.modules()]


def test_a_look_changes_no_weight_no_buffer_and_no_draw() -> None:
    state = small_state(small_recipe(steps=8), dtype=torch.float32)
    before = {k: v.clone() for k, v in checkpoint.tensors(state).items()}
    training = modes_of(state)
    drawn = torch.random.get_rng_state()
    look = Gauge(toy()).look(Tick(4, 32, 0.0, False), state)
    assert torch.equal(drawn, torch.random.get_rng_state())
    after = checkpoint.tensors(state)
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())
    assert modes_of(state) == training
    assert look.distance is not None
    assert look.distance > 0.3  # an untrained generator


def test_nan_is_named_in_history_and_findings(tmp_path: Path) -> None:
    with pytest.raises(StoppedByFinding):
        sparring.train("ring", out=tmp_path / "run", overrides=RING, terms=[trap(155)])
    assert looks_of(tmp_path / "run")[-1].nonfinite is not None
    (found,) = [
        one for one in findings_of(tmp_path / "run")["findings"] if one["code"] == "nonfinite"
    ]
    assert found["step"] == 155
    assert found["keys"]["optimizer.generator.lr"]


def trap(step: int, until: int = 10**9) -> Term:
    """A term that is NaN from a step on, at the rate that the run began with."""

    def fn(batch: Any) -> torch.Tensor:
        move = batch.move
        bad = step <= move.step < until and move.seed == 0
        return batch.on_fake.logits * (float("nan") if bad else 0.0)

    return Term("trap", fn)


def test_rescue_goes_back_from_nan_and_resumes_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So short a run learns nothing, which would be another reason to go back.
    for code in [code for code in FINDINGS if code != "nonfinite"]:
        monkeypatch.delitem(FINDINGS, code)
    keys = SHORT | {"steps": 300, "batch_size": 64, "evaluation.final_samples": 100}
    keys |= {"referee.action": "rescue", "referee.samples_each": 640}
    keys |= {f"optimizer.{player}.schedule": "constant" for player in ("generator", D)}
    whole = sparring.train("gaussian", out=tmp_path / "whole", overrides=keys, terms=[trap(155)])
    summary = whole.summary
    assert summary["steps"] == 300
    (rescue,) = findings_of(whole.path)["rescues"]
    assert rescue["code"] == "nonfinite"
    assert rescue["to"] < 155 <= rescue["step"]
    assert rescue["changes"]["redrawn"] == [0, 1]
    assert "optimizer.generator.lr" in rescue["changes"]
    history = [json.loads(line) for line in whole.folder.history.read_text().splitlines()]
    assert [tick["step"] for tick in history] == list(range(10, 301, 10))
    (noted,) = [tick for tick in history if "rescue" in tick]
    assert noted["step"] == rescue["to"] + 10
    # The same, but interrupted after the rescue.
    part = sparring.train(
        "gaussian", out=tmp_path / "part", overrides=keys | {"steps": 200}, terms=[trap(155)]
    )
    sparring.train(out=part.path, resume=True, overrides={"steps": 300}, terms=[trap(155)])
    assert findings_of(part.path)["rescues"]
    ours, theirs = last_of(whole.path), last_of(part.path)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items())


def test_rescue_gives_up_after_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for code in [code for code in FINDINGS if code != "nonfinite"]:
        monkeypatch.delitem(FINDINGS, code)

    def always(batch: Any) -> torch.Tensor:
        return batch.on_fake.logits * (float("nan") if batch.move.step >= 100 else 0.0)

    keys = RING | {"referee.action": "rescue", "referee.rescues": 2}
    with pytest.raises(StoppedByFinding):
        sparring.train("ring", out=tmp_path / "run", overrides=keys, terms=[Term("trap", always)])
    first, second = findings_of(tmp_path / "run")["rescues"]
    # What was gone back to in vain is no healthy state: the second time it begins again.
    assert first["to"] > 0
    assert second["to"] == 0


def always_slow(facts: Facts, looks: Any) -> Finding:
    keys = facts.rate_times("generator", 1 / 2)
    return Finding("stalled", "warning", looks[0].step, "so it is", "change it", keys)


def find_only(monkeypatch: pytest.MonkeyPatch, find: Any) -> None:
    """Nothing but this, and what is not finite, is looked for."""
    for code in [code for code in FINDINGS if code != "nonfinite"]:
        monkeypatch.delitem(FINDINGS, code)
    monkeypatch.setitem(FINDINGS, "stalled", find)


def test_what_looks_bad_early_is_given_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_only(monkeypatch, always_slow)
    sparring.train("ring", out=tmp_path / "run", overrides=RING | {"referee.action": "rescue"})
    rescues = findings_of(tmp_path / "run")["rescues"]
    assert [one["step"] for one in rescues] == 3 * [RING["steps"] // 4]
    # No state is healthy that is younger than what is wrong.
    assert [one["to"] for one in rescues] == 3 * [0]


def test_a_rescue_changes_what_preflight_warned_about_and_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_only(monkeypatch, always_slow)
    keys = RING | {"referee.action": "rescue", "optimizer.discriminator.lr": 0.05}
    run = sparring.train("ring", out=tmp_path / "run", overrides=keys)
    found = findings_of(run.path)
    first, second, _ = found["rescues"]
    assert first["to"] == 0
    assert first["changes"] == {
        "optimizer.discriminator.lr": [0.05, 0.001],
        "redrawn": [0, 1],
    }
    assert "optimizer.generator.lr" in second["changes"]
    history = [json.loads(line) for line in run.folder.history.read_text().splitlines()]
    assert [tick["step"] for tick in history] == list(range(10, 201, 10))
    assert not [one for one in found["findings"] if one["code"] == "high-rate"]


def test_one_process_only_can_rescue(monkeypatch: pytest.MonkeyPatch) -> None:
    from sparring.rescuing import check_action

    monkeypatch.setattr("sparring.ranks.count", lambda: 2)
    with pytest.raises(InputError, match="one process only"):
        check_action(small_recipe(referee={"action": "rescue"}))
    check_action(small_recipe(referee={"action": "stop"}))


def test_without_looks_only_what_is_not_finite_is_found() -> None:
    state = small_state(small_recipe(referee={"enabled": False}))
    referee = Referee(state, toy())
    train(state, [referee])
    assert referee.story.looks == []
    assert referee.verdict == "unknown"
