"""`evaluate` and `compare` on ONNX generators, of this program and of others."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sparring
from helpers import Command
from sparring.errors import InputError
from sparring.games import latents_of
from sparring.onnx_generator import OnnxGenerator
from sparring.recipe import Latent

onnx = pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxscript", reason="needs the extra export")
pytest.importorskip("onnxruntime", reason="needs the extra export")

SIZE, FLOAT, BYTE, INT = 4, 1, 2, 7
Ports = Sequence[tuple[str, int, list[Any]]]
DRAW = np.random.default_rng(0)


def others(
    path: Path,
    shape: list[int],
    inputs: Ports = (("noise", FLOAT, ["n", SIZE]),),
    output: int = FLOAT,
    scale: float = 1.0,
    permute: bool = False,
    sizes: Sequence[Any] = (),
) -> Path:
    """A generator as any program may write it: tanh of a linear map, scaled."""
    make = onnx.helper.make_node
    weight = DRAW.normal(size=(SIZE, int(np.prod(shape)))).astype(np.float32)
    constants = {"w": weight, "flat": np.array([-1, SIZE]), "shape": np.array([-1, *shape])}
    constants["scale"] = np.array(scale, np.float32)
    nodes = [
        make("Reshape", [inputs[0][0], "flat"], ["z2"]),
        make("MatMul", ["z2", "w"], ["h"]),
        make("Tanh", ["h"], ["t"]),
        make("Mul", ["t", "scale"], ["m"]),
        make("Cast", ["m"], ["c"], to=output),
        make("Reshape", ["c", "shape"], ["x"]),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "other",
        [value(*port) for port in inputs],
        [value("x", output, sizes or ["n", *shape])],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def exported(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "digits.onnx"
    sparring.export(images, path)
    return path


def test_its_scores_are_those_of_the_run(exported: Path, images: Path, command: Command) -> None:
    words = ["--samples", "150", "--metrics", "fid,precision", "--json"]
    of_run = command("evaluate", str(images), *words).value["metrics"]
    answer = command("evaluate", str(exported), *words)
    assert answer.code == 0, answer.stderr
    for name, record in answer.value["metrics"].items():
        assert record["value"] == pytest.approx(of_run[name]["value"], rel=1e-3)
        assert record["split"] == "test"  # as the data set is known by name
    known = command("evaluate", str(exported), "--data", "mnist5k", *words).value["metrics"]
    assert (known["fid"]["split"], known["fid"]["samples_real"]) == ("all", 5000)


def test_its_samples_are_those_of_the_run(exported: Path, images: Path) -> None:
    found = OnnxGenerator(exported, "x").sample(range(3, 73))
    difference = (found.int() - sparring.sample(images, 70, seed=3).int()).abs()
    assert difference.max() <= 1
    assert (difference > 0).float().mean() <= 1e-3


def test_compare_takes_it_too(exported: Path, images: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(exported.read_bytes())
    for whats in ((images, exported), (exported, copy)):
        answer = sparring.compare(*whats, metrics=["fid"], samples=100, html=tmp_path / "x.html")
        assert answer["differences"][0]["difference"] == pytest.approx(0, abs=0.1)
        for entry in answer["entries"]:
            assert entry["metrics"]["fid"]["split"] == "test"
            assert entry["metrics"]["fid"]["samples_real"] == 500


def test_other_data_under_the_same_name_is_refused(exported: Path, tmp_path: Path) -> None:
    changed = onnx.load(exported)
    for entry in changed.metadata_props:
        entry.value = entry.value.replace('"fingerprint": "', '"fingerprint": "0')
    onnx.save(changed, tmp_path / "x.onnx")
    with pytest.raises(InputError, match="`mnist5k` is not what"):
        sparring.evaluate(tmp_path / "x.onnx")


def test_floats_in_a_batch_of_any_size(tmp_path: Path) -> None:
    path = others(tmp_path / "x.onnx", [3, 6, 6])
    generator = OnnxGenerator(path, "x")
    assert generator.latent == Latent(size=SIZE, prior="normal")
    found = generator.sample(range(66))
    assert (found.dtype, found.shape) == (torch.uint8, (66, 3, 6, 6))
    raw = generator.run(latents_of(generator.latent, [65]))
    assert torch.equal(found[65:], raw.add(1).mul(127.5).round().to(torch.uint8))


def test_a_fixed_batch_is_filled_up(tmp_path: Path) -> None:
    inputs = (("z", FLOAT, [3, SIZE, 1, 1]),)  # as DCGANs often take them
    fixed = others(tmp_path / "fixed.onnx", [1, 6, 6], inputs, sizes=[3, 1, 6, 6])
    assert OnnxGenerator(fixed, "fixed").sample(range(7)).shape == (7, 1, 6, 6)


def test_bytes_with_the_channels_last(tmp_path: Path) -> None:
    path = others(tmp_path / "x.onnx", [6, 6, 3], output=BYTE, scale=200.0)
    found = OnnxGenerator(path, "x").sample(range(1))
    raw = OnnxGenerator(path, "x").run(latents_of(Latent(size=SIZE), [0]))
    assert found.shape == (1, 3, 6, 6)
    assert torch.equal(found.permute(0, 2, 3, 1), raw)


def test_vectors_stay_as_they_are(tmp_path: Path) -> None:
    path = others(tmp_path / "x.onnx", [2], scale=300.0)
    found = OnnxGenerator(path, "x").sample(range(50))
    assert found.dtype == torch.float32
    assert found.abs().max() > 200
    data = tmp_path / "x.npz"
    np.savez(data, samples=DRAW.normal(size=(100, 2)))
    record = sparring.evaluate(path, str(data), ["wasserstein"], samples=100)["wasserstein"]
    assert (record["split"], record["samples_fake"]) == ("all", 100)


WRONG: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "nothing there": (lambda path: None, "does not exist", "path"),
    "no ONNX": (lambda path: path.write_bytes(b"none"), "cannot be read as ONNX", "export"),
    "half a file": (
        lambda path: path.write_bytes(others(path, [1, 6, 6]).read_bytes()[:300]),
        "cannot be read as ONNX",
        "export",
    ),
    "nothing of what is meant": (lambda path: path.write_bytes(b""), "cannot be read", "export"),
    "images for an input": (
        lambda path: others(path, [1, 6, 6], (("image", FLOAT, ["n", 1, 2, 2]),)),
        "no input for latents: image tensor(float) ['n', 1, 2, 2]",
        "`z` [batch, size]",
    ),
    "whole numbers for an input": (
        lambda path: others(path, [1, 6, 6], (("z", INT, ["n", SIZE]),)),
        "cannot be read as ONNX",  # by ONNX Runtime, whose message is told
        "export",
    ),
    "two inputs alike": (
        lambda path: others(
            path, [1, 6, 6], (("a", FLOAT, ["n", SIZE]), ("b", FLOAT, ["n", SIZE]))
        ),
        "no input for latents",
        "`z` [batch, size]",
    ),
    "an input nobody knows": (
        lambda path: others(path, [1, 6, 6], (("z", FLOAT, ["n", SIZE]), ("steps", INT, ["n"]))),
        "also needs the input `steps`",
        "only input",
    ),
    "latents of any size": (
        lambda path: others(path, [1, 6, 6], (("z", FLOAT, ["n", "size"]),)),
        "does not say how long its latents",
        "batch size left open",
    ),
    "other latents than it says": (
        lambda path: others(path, [1, 6, 6], (("z", FLOAT, ["n", 7]),)),
        "makes 112 samples of 64 latents of 7",
        "any size",
    ),
    "grey levels as floats": (
        lambda path: others(path, [1, 6, 6], scale=255.0),
        "makes images with values from -25",
        "[-1, 1]",
    ),
    "no numbers": (
        lambda path: others(path, [1, 6, 6], scale=float("nan")),
        "makes NaN or Inf",
        "export",
    ),
    "five channels": (
        lambda path: others(path, [5, 6, 6]),
        "makes samples of shape (5, 6, 6)",
        "C 1 or 3",
    ),
    "whole numbers for samples": (
        lambda path: others(path, [1, 6, 6], output=INT),
        "as tensor(int64)",
        "uint8",
    ),
    "another size": (
        lambda path: others(path, [1, 6, 6]),
        "samples of shape (1, 6, 6) cannot be compared",
        "same size",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_generator_is_told(wrong: str, tmp_path: Path, command: Command) -> None:
    make, message, fix = WRONG[wrong]
    path = tmp_path / "x.onnx"
    make(path)
    words = ["--data", "mnist5k", "--samples", "2", "--metrics", "fid", "--json"]
    answer = command("evaluate", str(path), *words)
    assert answer.code == 2, answer.stderr
    error = answer.value["error"]
    assert message in error["message"]
    assert "\n" not in error["message"]
    assert fix in error["hint"]
    assert "Traceback" not in answer.stderr


def test_data_must_be_named_where_the_file_does_not(tmp_path: Path, command: Command) -> None:
    path = others(tmp_path / "x.onnx", [1, 6, 6])
    answer = command("evaluate", str(path), "--json")
    assert answer.code == 2
    assert "must be compared with something" in answer.value["error"]["message"]
    assert "--data" in answer.value["error"]["hint"]


@pytest.mark.parametrize("module", ["onnxruntime", "onnxscript"])
def test_the_extra_is_named_where_it_is_missing(
    module: str, images: Path, exported: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)  # import fails, as without it
    words = ["evaluate", str(exported)] if module == "onnxruntime" else []
    answer = command(*(words or ["export", str(images), "x.onnx"]), "--json")
    assert answer.code == 2
    assert f"need {module}" in answer.value["error"]["message"]
    assert answer.value["error"]["hint"] == "pip install 'sparring[export]'"


def test_the_runtime_tells_nobody_of_its_use(exported: Path, tmp_path: Path) -> None:
    """It would keep what it is to send in the user's cache, and an identity of the machine."""
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache")}
    words = (
        "import sys; from sparring.onnx_generator import *; OnnxGenerator(Path(sys.argv[1]), 'x')"
    )
    command = [sys.executable, "-c", words, str(exported)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path != exported]
