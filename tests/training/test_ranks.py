"""Several processes that train one GAN: real ones, started by torchrun."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from steps_of_recipes import after_steps
from torch import Tensor

import sparring
from helpers import QUICK, words_of
from sparring.cli import ending
from sparring.errors import InputError, Interrupted
from sparring.networks.batch_norm import BatchNorm2d
from sparring.recipes import recipe_names
from sparring.training import checkpoint

SCRIPT = Path(__file__).parent / "steps_of_recipes.py"
# All but one whose data is not on every machine, and whose networks are those of mlp-mnist.
NAMES = [name for name in recipe_names() if name != "mlp-cifar10"]
# Nothing in it depends on the number of steps, which may grow.
PLAIN = {
    "penalties": [],
    "evaluation.every": 64,
    "optimizer.generator.schedule": "constant",
    "optimizer.discriminator.schedule": "constant",
}
LATE = """
import os, sys, time
if os.environ["RANK"] == "0":
    time.sleep(5)
sys.argv = ["sparring", "train", "nosuch"]
from sparring import cli
cli.main()
"""
EXACT = {"precision.generator": "fp32", "precision.discriminator": "fp32"}


def torchrun(*words: str, processes: int = 2, restarts: int = 0) -> subprocess.Popen[str]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    how = [f"--nproc-per-node={processes}", f"--max-restarts={restarts}", f"--master-port={port}"]
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *how, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def trained(*words: str, **how: int) -> subprocess.Popen[str]:
    return torchrun("-m", "sparring", "train", *words, **how)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, told = process.communicate(timeout=240)
    return process.returncode, out, told


def last_of(folder: Path) -> dict[str, Tensor]:
    return checkpoint.read(folder / "checkpoints" / checkpoint.LAST).tensors


def apart(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """The greatest difference of the weights of two checkpoints."""
    assert ours.keys() == theirs.keys()
    names = [name for name in ours if name.startswith(("player/", "ema/"))]
    return max(float((ours[n].double() - theirs[n].double()).abs().max()) for n in names)


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two steps of every recipe by two processes."""
    folder = tmp_path_factory.mktemp("two")
    code, _, told = ended(torchrun(str(SCRIPT), str(folder), *NAMES))
    assert code == 0, told
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_make_the_steps_of_one(name: str, by_two: Path) -> None:
    """Weights, averages, optimizers and memories: gradients are equal, whatever the terms."""
    ours, theirs = after_steps(name), load_file(by_two / f"{name}.safetensors")
    assert ours.keys() == theirs.keys()
    # Minibatch discrimination, which `ring` is given here, compares in float32.
    bound = 1e-6 if name == "ring" else 1e-8
    for key, tensor in ours.items():
        if not key.startswith("statistics/"):
            torch.testing.assert_close(theirs[key], tensor, rtol=0, atol=bound, msg=key)
    # And the steps are large beside that: what moved, moved by more.
    before = after_steps(name, steps=0)
    assert apart(before, {key: ours[key] for key in before}) > 1e-4
    losses = [key for key in ours if "|loss/" in key and key.endswith("values")]
    assert losses
    for key in losses:
        torch.testing.assert_close(theirs[key], ours[key], rtol=0, atol=1e-6, msg=key)


def test_what_several_processes_began_one_goes_on_with_and_back(tmp_path: Path) -> None:
    """Also from the middle of a tick, and both write what one process alone would."""
    words = ["ring", *words_of(QUICK | EXACT | PLAIN | {"steps": 24, "tick": 8})]
    alone = sparring.train("ring", out=tmp_path / "alone", overrides=words[1:])
    folder = str(tmp_path / "shared")
    ending = [*words, "--out", folder]
    code, out, told = ended(trained(*ending, "steps=16", "--json"))
    assert code == 0, told
    assert len(out.strip().splitlines()) == 1  # one of the two speaks
    assert json.loads(out)["steps"] == 16
    sparring.train(out=folder, resume=True, overrides={"steps": 20}, allow_changes=True)
    code, _, told = ended(trained("--resume", "--out", folder, "steps=24", "--allow-changes"))
    assert code == 0, told
    assert apart(last_of(alone.path), last_of(Path(folder))) < 1e-4
    ticks = [json.loads(line) for line in Path(folder, "history.jsonl").read_text().splitlines()]
    assert [tick["step"] for tick in ticks] == [8, 16, 20, 24]
    theirs = alone.folder.read_history()[-1]
    for key in ("loss/discriminator", "loss/generator"):
        assert ticks[0][key] == pytest.approx(alone.folder.read_history()[0][key], abs=1e-4)
    assert ticks[-1]["metric/fid"] == pytest.approx(theirs["metric/fid"], rel=1e-2)


def test_a_killed_process_ends_the_others_and_torchrun_starts_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ["ring", *words_of(QUICK | {"steps": 160, "tick": 4}), "--out", str(folder)]
    process = trained(*words, "--json", restarts=1)
    until = time.monotonic() + 120
    while not checkpoint.has_any(folder / "checkpoints") and time.monotonic() < until:
        time.sleep(0.1)
    (second,) = (pid for pid in children(process.pid) if rank_of(pid) == "1")
    os.kill(second, signal.SIGKILL)
    code, out, told = ended(process)
    assert code == 0, told
    assert json.loads(out.strip().splitlines()[-1])["steps"] == 160
    steps = [json.loads(line)["step"] for line in (folder / "history.jsonl").open()]
    assert steps == list(range(4, 161, 4))  # nothing is missing, nothing is there twice


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def rank_of(pid: int) -> str:
    words = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return next((word.partition("=")[2] for word in words if word.startswith("RANK=")), "")


def test_a_run_that_ended_before_its_first_checkpoint_is_begun_again(tmp_path: Path) -> None:
    """As torchrun would: with its environment, at the second attempt."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text("name: half written")
    (folder / "history.jsonl").write_text('{"step": 4}\n')
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    own = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    words = ["train", "ring", *words_of(QUICK), "--out", str(folder)]
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "sparring", *words],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | own | {"RANK": rank, "TORCHELASTIC_RESTART_COUNT": "1"},
        )
        for rank in ("0", "1")
    ]
    for process in both:
        code, _, told = ended(process)
        assert code == 0, told
    assert [json.loads(line)["step"] for line in (folder / "history.jsonl").open()] == [4, 8, 12]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["batch_size=15"], "batch_size=15 cannot be shared evenly by 2 processes"),
        (["optimizer.generator.lr=1e30", "optimizer.generator.name=sgd"], "training stopped"),
    ],
    ids=["batch", "nonfinite"],
)
def test_what_ends_the_run_is_said_once(words: list[str], told: str, tmp_path: Path) -> None:
    quick = words_of(QUICK | EXACT)
    code, _, said = ended(trained("ring", *quick, *words, "--out", str(tmp_path / "run")))
    assert code != 0
    assert said.count(told) == 1
    assert "sparring/cli/" not in said  # no traceback of ours beside torchrun's own


def test_a_first_process_that_is_late_is_still_heard(tmp_path: Path) -> None:
    script = tmp_path / "late.py"
    script.write_text(LATE)
    code, _, said = ended(torchrun(str(script)))
    assert code != 0
    assert said.count("nosuch") == 1, said
    assert "process 1:" not in said


def test_what_one_process_alone_meets_is_said_by_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first, which was given time, has not ended the run: it has not met the same."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(ending, "SECONDS_FOR_THE_FIRST", 0)
    assert ending.fail(InputError("no folder `faces`", "mount it").record(), 2, False) == 2
    assert "process 1: no folder `faces`\nmount it" in capsys.readouterr().err
    # What all meet at once the first says for certain.
    assert ending.fail(Interrupted(2, "runs/two", 8).record(), 130, False) == 130
    assert capsys.readouterr().err == ""


def test_batch_normalization_alone_is_that_of_pytorch() -> None:
    ours, theirs = BatchNorm2d(3), torch.nn.BatchNorm2d(3)
    x = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ours(x), theirs(x))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
