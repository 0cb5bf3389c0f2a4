"""Files of weights are opened as tensors, and nothing in them is ever run."""

import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from helpers import Command
from sparring.errors import InputError
from sparring.metrics.weights import download, read_weights, sha256

STATE = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4)}


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, trap: Path) -> None:
        self.trap = trap

    def __reduce__(self) -> Any:
        return (Path.touch, (self.trap,))


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_tensors_are_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    if kind == "safetensors":
        save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=kind == "zip")
    found = read_weights(path)
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize("kind", ["zip", "legacy", "bare", "beside"])
def test_pickled_code_is_refused_and_does_not_run(
    tmp_path: Path, kind: str, command: Command
) -> None:
    trap, path = tmp_path / "trap", tmp_path / "w.pth"
    content: Any = STATE | {"c": Malicious(trap)} if kind == "beside" else Malicious(trap)
    if kind == "bare":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind != "legacy")
    torch.load(path, weights_only=False) if kind != "bare" else pickle.loads(path.read_bytes())
    assert trap.exists()  # it works
    trap.unlink()
    samples = str(tmp_path / "samples.npz")
    np.savez(samples, samples=np.zeros((10, 3, 8, 8), np.uint8))
    for features in ("inception", "vgg16", "clip-vit-b-32"):
        answer = command(
            *("evaluate", samples, "--data", samples, "--features", features),
            *("--weights", str(path)),
        )
        assert answer.code == 2
        assert f"`{path}` hold pickled code, which is never run" in answer.stderr
    assert not trap.exists()


def cut(path: Path) -> None:
    torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:-300])


def a_tar(path: Path) -> None:
    with tarfile.open(path, "w") as file:
        file.add(__file__, "pickle")


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (cut, "are truncated, or no weights"),
    "empty": (lambda path: path.touch(), "are truncated, or no weights"),
    "text": (lambda path: path.write_text("hello"), "are truncated, or no weights"),
    "an old archive": (a_tar, "format of before 2017"),
    "missing": (lambda path: None, "do not exist"),
    "a folder": (Path.mkdir, "cannot be read"),
    "one tensor": (lambda path: torch.save(STATE["a"], path), "no dictionary of tensors"),
    "a checkpoint": (
        lambda path: torch.save({"model": STATE, "step": 3}, path),
        "more than tensors: `model`",
    ),
    "a program": (
        lambda path: torch.jit.script(nn.Linear(1, 1)).save(str(path)),
        "a TorchScript program other than the published one",
    ),
}


def opened(path: Path) -> object:
    """As it is done for a network: the hash first."""
    return sha256(path), read_weights(path)


@pytest.mark.parametrize("kind", WRONG)
def test_what_holds_no_weights_is_refused(tmp_path: Path, kind: str) -> None:
    make, words = WRONG[kind]
    make(path := tmp_path / "w.pth")
    with pytest.raises(InputError, match=words):
        opened(path)


def test_damaged_safetensors_are_refused(tmp_path: Path) -> None:
    save_file(STATE, path := tmp_path / "w.safetensors")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match="are truncated, or no weights"):
        read_weights(path)


def test_a_download_is_checked_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    save_file(STATE, path := tmp_path / "elsewhere.safetensors")
    digest = sha256(path)
    with pytest.raises(InputError, match=r"cannot be downloaded .*invalid hash"):
        download("some", path.as_uri(), "w.safetensors", "0" * 8)
    found = download("some", path.as_uri(), "w.safetensors", digest[:8])
    assert sha256(found) == digest
    assert [file.name for file in found.parent.iterdir()] == ["w.safetensors"]
    path.unlink()
    assert download("some", path.as_uri(), "w.safetensors", digest[:8]) == found
