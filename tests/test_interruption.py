"""Killed or interrupted anywhere and resumed, a run ends as if nothing had happened."""

import json
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import sparring
from helpers import start, words_of
from sparring.training import checkpoint

PATIENCE = 120.0  # seconds
CLOCK = ("seconds", "evaluation_seconds")  # of a history: what differs between equal runs
# Short runs with everything in them; each takes some seconds, so that there is time to kill it.
RECIPES: dict[str, dict[str, Any]] = {
    "gaussian": {
        "steps": 700,
        "batch_size": 32,
        "tick": 40,
        "snapshots": 3,
        "checkpoint_seconds": 0,
        "evaluation.metrics": ["fid"],
        "evaluation.every": 6_400,
        "evaluation.samples": 200,
        "evaluation.final_samples": 200,
        "evaluation.final_metrics": ["fid"],
    },
    "digits": {
        "steps": 100,
        "batch_size": 32,
        "tick": 10,
        "snapshots": 3,
        "checkpoint_seconds": 0,
        "latent.size": 16,
        "generator.width": 8,
        "discriminator.width": 8,
        "evaluation.every": 1_280,
        "evaluation.samples": 200,
        "evaluation.final_samples": 200,
        "evaluation.final_metrics": ["fid"],
    },
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The uninterrupted runs."""
    folder = tmp_path_factory.mktemp("whole")
    return {
        name: sparring.train(name, out=folder / name, overrides=overrides).path
        for name, overrides in RECIPES.items()
    }


def running(name: str, out: Path) -> subprocess.Popen[str]:
    """A run on the command line, some time after its first checkpoint."""
    words = ["train", name, *words_of(RECIPES[name]), "--out", str(out), "--json"]
    process = start(*words)
    deadline = time.monotonic() + PATIENCE
    while not (out / "checkpoints" / checkpoint.LAST).exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.2))
    assert process.poll() is None, "it ended before it could be killed"
    return process


def assert_same_run(ours: Path, theirs: Path) -> None:
    """Two runs agree bit for bit, the clock aside."""
    for name in (checkpoint.LAST, checkpoint.BEST):
        found, expected = (checkpoint.read(run / "checkpoints" / name) for run in (ours, theirs))
        assert found.tensors.keys() == expected.tensors.keys()
        for key, tensor in expected.tensors.items():
            assert torch.equal(found.tensors[key], tensor), f"{name}: {key}"
        assert found.meta["step"] == expected.meta["step"]
    histories = [(run / "history.jsonl").read_text().splitlines() for run in (ours, theirs)]
    for mine, other in zip(*histories, strict=True):
        pairs = [[kv for kv in json.loads(t).items() if kv[0] not in CLOCK] for t in (mine, other)]
        assert pairs[0] == pairs[1]
    files = ["metrics.json", "model/model.safetensors", "evolution.gif"]
    files += sorted(str(path.relative_to(theirs)) for path in theirs.glob("samples/*.png"))
    assert len(files) > 5
    for file in files:
        assert (ours / file).read_bytes() == (theirs / file).read_bytes(), file
    assert len(list(ours.glob("samples/*"))) == len(list(theirs.glob("samples/*")))


@pytest.mark.parametrize("name", RECIPES)
def test_killed_and_resumed_equals_uninterrupted(
    name: str, whole: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    process = running(name, out)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    saved = checkpoint.load_latest(out / "checkpoints")
    assert saved is not None
    assert 0 < saved.meta["step"] < RECIPES[name]["steps"]
    resumed = start("train", "--resume", "--out", str(out), "--json")
    stdout, stderr = resumed.communicate(timeout=PATIENCE)
    assert resumed.returncode == 0, stderr
    assert json.loads(stdout)["steps"] == RECIPES[name]["steps"]
    assert_same_run(out, whole[name])


@pytest.mark.parametrize(
    ("name", "number", "code"),
    [("digits", signal.SIGINT, 130), ("gaussian", signal.SIGTERM, 143)],
    ids=["INT", "TERM"],
)
def test_interrupted_it_saves_says_so_and_goes_on(
    name: str, number: int, code: int, whole: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    process = running(name, out)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, stderr
    error = json.loads(stdout)["error"]
    assert error["code"] == "interrupted"
    assert f"sparring train --resume --out {out}" in error["hint"]
    assert "Traceback" not in stderr
    step = checkpoint.read(out / "checkpoints" / checkpoint.LAST).meta["step"]
    assert f"interrupted at step {step}" in error["message"]
    assert not (out / "model").exists()
    sparring.train(out=out, resume=True)
    assert_same_run(out, whole[name])
