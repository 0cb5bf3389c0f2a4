"""Wrong input on the command line: exit code 2 and words, never a traceback."""

import shutil
from pathlib import Path

import pytest

from helpers import Command, in_a_shell

WRONG: dict[str, tuple[list[str], str, str]] = {
    "recipe": (["train", "digts"], "there is no recipe `digts`", "`digits`"),
    "file": (["train", "no.yaml"], "`no.yaml` does not exist", ""),
    "key": (["train", "discrimnator.width=3"], "`discrimnator.width`", "`discriminator.width`"),
    "value": (["train", "steps=none"], "steps='none'", "steps=VALUE"),
    "override": (["train", "ring", "steps"], "`steps` is not an override", "key=value"),
    "option of a network": (["train", "ring", "generator.wdth=3"], "`generator.wdth`", "width"),
    "network": (["train", "generator.name=dcgn"], "there is no `dcgn`", "`dcgan`"),
    "module": (["train", "generator.name=no:No"], "cannot load `no:No`", "module:attribute"),
    "loss": (["train", "ring", "loss.name=higne"], "there is no `higne`", "`hinge`"),
    "pairing": (["train", "ring", "loss.pairing=x"], "there is no `x`", "relativistic-average"),
    "penalty": (["train", "ring", "penalties=[{name: r3}]"], "there is no `r3`", "`r2`"),
    "game": (["train", "ring", "game=chess"], "there is no `chess`", "latent"),
    "metric": (
        ["train", "ring", "steps=1", "evaluation.metrics=[fdi]"],
        "there is no `fdi`",
        "`fid`",
    ),
    "modes": (
        ["train", "steps=1", "evaluation.metrics=[kid, modes]"],
        "needs data with known modes",
        "ring",
    ),
    "features": (
        ["train", "ring", "steps=1", "evaluation.features=vgg"],
        "no features `vgg`",
        "auto",
    ),
    "one sample": (["train", "mlp-mnist", "batch_size=1"], "batch of 1", "batch_size"),
    "one left": (["train", "mlp-mnist", "batch_size=9", "micro_batch=4"], "batch of 1", "micro"),
    "terms": (["train", "penalties=[{name: r1}, {name: r1}]"], "two terms called `r1`", "name"),
    "data": (["train", "--data", "mnsit5k"], "no data set, folder or file `mnsit5k`", "`mnist5k`"),
    "data file": (["train", "--data", "no.npz"], "`no.npz` does not exist", ""),
    "device": (["train", "ring", "device=tpu"], "device=tpu cannot be used", "device=auto"),
    "option": (["train", "--recipe", "ring"], "--recipe", "--help"),
    "command": (["trian"], "trian", "--help"),
    "no command": (["recipes", "shw"], "shw", "--help"),
    "missing": (["sample", "somewhere"], "--out", "--help"),
    "time": (["train", "--time", "-1"], "time", "--help"),
    "count": (["sample", "x", "--out", "y.png", "--count", "0"], "count", "--help"),
    "no run": (["sample", ".", "--out", "x.png"], "holds no model", ""),
    "nothing there": (["evaluate", "nowhere"], "holds no run", ""),
    "no report": (["report", "nowhere"], "nowhere", ""),
    "resume": (["train", "--resume"], "--resume needs to know which run", "--out"),
    "resume nothing": (["train", "--resume", "--out", "no"], "`no` holds no run", ""),
    "init": (["train", "ring", "--init", "nowhere", "--out", "x"], "holds no run", ""),
    "npz alone": (["evaluate", "x.npz"], "must be compared with something", "--data"),
}


@pytest.mark.parametrize(("words", "message", "hint"), WRONG.values(), ids=WRONG)
def test_wrong_input_ends_with_code_2_and_words(
    words: list[str],
    message: str,
    hint: str,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = command(*words, "--json")
    assert answer.code == 2
    error = answer.value["error"]
    assert set(error) == {"code", "message", "hint"}
    assert error["code"] == "input"
    assert message in error["message"]
    assert hint in error["hint"]
    assert message in answer.stderr  # a person reads it too
    plain = command(*words)
    assert (plain.code, plain.stdout) == (2, "")
    assert message in plain.stderr
    assert list(tmp_path.iterdir()) == []  # and nothing is left behind


def test_an_error_from_a_shell(tmp_path: Path) -> None:
    answer = in_a_shell("train", "discrimnator.width=8", "--json", folder=tmp_path)
    assert answer.code == 2
    assert answer.value["error"]["hint"] == "did you mean `discriminator.width`?"
    assert answer.stderr.splitlines()[0] == answer.value["error"]["message"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "ring", "steps=1", "--out", "RUN"], "holds a run already"),
        (["train", "ring", "steps=1", "--out", "FILE/run"], "cannot be made"),
        (["train", "ring", "steps=1", "--out", "FILE"], "cannot be made"),
        (["train", "ring", "steps=1", "--out", "/proc/nowhere"], "cannot be made"),
        (["sample", "RUN", "--out", "x.jpg"], "cannot write samples as `.jpg`"),
        (["sample", "RUN", "--out", "x.png", "--count", "3000"], "too large"),
        (["sample", "RUN", "--out", "FILE/x.png"], "cannot be written"),
        (["sample", "RUN", "--out", "FILE/x.npz"], "cannot be written"),
        (["sample", "RUN", "--out", "FILE/x"], "cannot be written"),
        (["evaluate", "RUN", "--metrics", "fdi"], "there is no `fdi`"),
        (["evaluate", "RUN", "--metrics", "modes"], "known modes"),
        (["evaluate", "RUN", "--data", "patterns"], "cannot be compared"),
        (["evaluate", "RUN", "--features", "vgg"], "no features `vgg`"),
        (["recipes", "copy", "ring", "FILE/x.yaml"], "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_told(
    words: list[str], message: str, images: Path, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "FILE").write_text("a file in the way")
    places = {"RUN": str(images), "FILE": str(tmp_path / "FILE")}
    for name, place in places.items():
        words = [word.replace(name, place) for word in words]
    answer = command(*words, "--json")
    assert answer.code == 2
    assert message in answer.value["error"]["message"]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"{}"),
        ("config.json", b"[]"),
        ("model.safetensors", b"none"),
        ("model.safetensors", None),
    ],
)
def test_a_broken_model_is_told(
    images: Path, tmp_path: Path, command: Command, file: str, content: bytes | None
) -> None:
    model = shutil.copytree(images / "model", tmp_path / "model")
    if content is None:
        (model / file).unlink()
    else:
        (model / file).write_bytes(content)
    answer = command("sample", str(model), "--out", str(tmp_path / "x.png"), "--json")
    assert answer.code == 2
    assert str(model) in answer.value["error"]["message"]
