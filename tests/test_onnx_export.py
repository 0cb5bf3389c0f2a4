"""ONNX files do what PyTorch does, say what they are, and are there whole or not at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import sparring
from helpers import QUICK, Command
from sparring.data import Dataset
from sparring.data.dataset import split_by_draw
from sparring.errors import InputError
from sparring.games import latents_of
from sparring.model import Model
from sparring.networks.dcgan import DCGANGenerator
from sparring.networks.layers import seeded
from sparring.networks.mlp import MLPGenerator
from sparring.onnx_export import export_onnx, version_of
from sparring.quantize import told

onnx = pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxscript", reason="needs the extra export")
runtime = pytest.importorskip("onnxruntime", reason="needs the extra export")

SIZE = 5


def a_model(
    make: Callable[..., nn.Module], shape: tuple[int, ...], prior: str = "normal", **more: Any
) -> Model:
    """An untrained generator as a model folder would give it."""
    with seeded(0):
        generator = make(SIZE, shape).eval().requires_grad_(False)
    config = {
        "recipe": "mine",
        "latent": {"size": SIZE, "prior": prior},
        "shape": list(shape),
        "images": len(shape) == 3,
        "data": {"name": "mine", "licence": "CC0"},
        "step": 3,
        "metrics": {},
    }
    return Model(generator.to(memory_format=torch.channels_last), config | more)


def outputs(path: Path, **inputs: Tensor) -> Tensor:
    """What ONNX Runtime makes of a file, without any code of this package."""
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(["samples"], {name: value.numpy() for name, value in inputs.items()})
    return torch.from_numpy(found)


class Own(nn.Module):
    """A generator as users write them: `len` of the batch, values beyond [-1, 1]."""

    def __init__(self, latent_size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.layer = nn.Linear(latent_size, 3 * 6 * 6)

    def forward(self, z: Tensor) -> Tensor:
        return 3 * self.layer(z).view(len(z), *self.shape)


class Noisy(Own):
    def forward(self, z: Tensor) -> Tensor:
        samples = super().forward(z)
        return samples + torch.randn_like(samples)


class Branching(Own):
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z if z.sum() > 0 else -z)


class TwoFaced(Own):
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z) / 100 + 1e-3 * torch.compiler.is_exporting()


class Conditional(nn.Module):
    def __init__(self, latent_size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.classes = nn.Embedding(3, latent_size)
        self.generator = DCGANGenerator(latent_size, shape, width=2)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.generator(z * self.classes(labels))


FAMILIES = {
    "mlp": (lambda s, shape: MLPGenerator(s, shape, [8], "relu", "batch", 0.3), (1, 6, 6)),
    "dcgan, cropped": (lambda s, shape: DCGANGenerator(s, shape, width=2, init="he"), (3, 68, 68)),
    "dcgan, convolution": (
        lambda s, shape: DCGANGenerator(
            s, shape, width=2, normalization="layer", output="convolution"
        ),
        (1, 28, 28),
    ),
    "vectors": (lambda s, shape: MLPGenerator(s, shape, [8]), (2,)),
    "one's own": (Own, (3, 6, 6)),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_at_every_batch_size(family: str, tmp_path: Path) -> None:
    make, shape = FAMILIES[family]
    model = a_model(make, shape)
    path = tmp_path / "x.onnx"
    answer = export_onnx(model, path)
    assert answer == {
        "path": str(path),
        "max_abs_error": pytest.approx(0, abs=1e-4),
        "batches_checked": [1, 2, 7, 64],
    }
    assert [each.name for each in tmp_path.iterdir()] == ["x.onnx"]
    for count in (1, 3, 64, 65):
        z = latents_of(model.latent, range(count))
        expected = model.generator(z)
        if model.is_images:
            expected = expected.clamp(-1, 1)
        torch.testing.assert_close(outputs(path, z=z), expected, atol=1e-5, rtol=1e-5)


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    make, shape = FAMILIES["one's own"]
    model = a_model(make, shape, metrics={"fid": {"value": 3.5}})
    export_onnx(model, tmp_path / "x.onnx")
    file = onnx.load(tmp_path / "x.onnx")
    (z,), (samples,) = file.graph.input, file.graph.output
    dims = [
        [d.dim_param or d.dim_value for d in p.type.tensor_type.shape.dim] for p in (z, samples)
    ]
    assert (z.name, samples.name) == ("z", "samples")
    assert dims == [["batch", SIZE], ["batch", 3, 6, 6]]
    assert samples.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    found = {entry.key: json.loads(entry.value) for entry in file.metadata_props}
    assert found == {
        "sparring": sparring.__version__,
        "name": "mine",
        "version": version_of(model),
        "opset": file.opset_import[0].version,
        "latent_size": SIZE,
        "prior": "normal",
        "shape": [3, 6, 6],
        "value_range": [-1, 1],
        "classes": [],
        "class_counts": [],
        "truncation": False,
        "styles": False,
        "data": {"name": "mine", "licence": "CC0"},
        "step": 3,
        "metrics": {"fid": {"value": 3.5}},
        "quantization": None,
    }
    content = (tmp_path / "x.onnx").read_bytes()
    for private in (b"stack_trace", b"site-packages", __file__.encode()):
        assert private not in content


def test_a_version_is_one_of_weights_and_description() -> None:
    make, shape = FAMILIES["vectors"]
    one, same, other = (a_model(make, shape) for _ in range(3))
    assert version_of(one) == version_of(same)
    assert version_of(one) != version_of(one, "int8")
    next(iter(other.generator.parameters())).add_(1e-6)
    assert version_of(one) != version_of(other)
    assert version_of(one) != version_of(a_model(make, shape, step=4))


def test_bytes_are_those_of_sample(images: Path, tmp_path: Path, command: Command) -> None:
    path = tmp_path / "new" / "x.onnx"
    answer = command("export", str(images), str(path), "--uint8", "--json")
    assert answer.code == 0, answer.stderr
    assert set(answer.value) == {"path", "max_abs_error", "batches_checked"}
    assert 0 < answer.value["max_abs_error"] <= 1e-4
    config = json.loads((images / "model" / "config.json").read_text())
    z = latents_of(sparring.recipe.Latent.model_validate(config["latent"]), range(70))
    found, expected = outputs(path, z=z), sparring.sample(images, 70)
    assert (found.dtype, found.shape) == (torch.uint8, expected.shape)
    difference = (found.int() - expected.int()).abs()
    assert difference.max() <= 1
    assert (difference > 0).float().mean() <= 1e-3
    (told,) = [e.value for e in onnx.load(path).metadata_props if e.key == "value_range"]
    assert json.loads(told) == [0, 255]


def test_truncation_scales_the_latents(tmp_path: Path) -> None:
    make, shape = FAMILIES["vectors"]
    model = a_model(make, shape)
    path = tmp_path / "x.onnx"
    export_onnx(model, path, truncation=True)
    z = latents_of(model.latent, range(4))
    truncation = torch.tensor([1.0, 0.5, 0.0, 0.0])
    found = outputs(path, z=z, truncation=truncation)
    torch.testing.assert_close(found, model.generator(z * truncation[:, None]))
    assert torch.equal(found[2], found[3])


def test_a_generator_that_knows_classes(tmp_path: Path) -> None:
    model = a_model(Conditional, (1, 8, 8), classes=["a", "b", "c"])
    path = tmp_path / "x.onnx"
    export_onnx(model, path, uint8=True)
    z, labels = latents_of(model.latent, [0, 0, 0]), torch.tensor([0, 1, 1])
    found = outputs(path, z=z, labels=labels)
    assert torch.equal(found[1], found[2])
    assert not torch.equal(found[0], found[1])
    (told,) = [e.value for e in onnx.load(path).metadata_props if e.key == "classes"]
    assert json.loads(told) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Noisy, "makes other samples of the same latents each time"),
        (Branching, "cannot be exported"),
        (TwoFaced, r"differs by 0.001 between ONNX and PyTorch at batch size 1 \(at most 0.0001"),
    ],
)
def test_what_is_not_the_same_is_not_written(
    make: Callable[..., nn.Module], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(b"an earlier one")
    with pytest.raises(InputError, match=said):
        export_onnx(a_model(make, (3, 6, 6)), path)
    assert path.read_bytes() == b"an earlier one"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_uniform_prior_is_not_truncated(tmp_path: Path) -> None:
    make, shape = FAMILIES["vectors"]
    model = a_model(make, shape, prior="uniform")
    with pytest.raises(InputError, match="uniform prior cannot be truncated"):
        export_onnx(model, tmp_path / "x.onnx", truncation=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["int8", "fp16"])
def test_a_lower_precision_tells_its_cost(
    kind: str, images: Path, tmp_path: Path, command: Command
) -> None:
    path = tmp_path / "x.onnx"
    answer = command("export", str(images), str(path), "--quantize", kind, "--json")
    assert answer.code == 0, answer.stderr
    told = answer.value["quantization"]
    assert answer.value["max_abs_error"] > 1e-5  # that of the file which was written
    assert set(told["distance"]) == {"fid", "kid"}
    for distance in told["distance"].values():
        assert distance["after"] == pytest.approx(distance["before"], rel=0.1)
    assert told["distance"]["fid"]["before"] == pytest.approx(
        sparring.evaluate(images, samples=120)["fid"]["value"], rel=1e-3
    )
    assert (told["split"], told["samples"], told["features"]) == ("test", 120, "classifier")
    assert 0.1 < told["speed"] < 10
    assert told["bytes"] < 0.9 * told["bytes_fp32"]
    if kind == "int8":
        assert told["layers"]["int8"] == {"Gemm": 1, "Conv": 1}
        assert told["layers"]["fp32"] == {"ConvTranspose": 2}
        assert "transposed convolutions stay in fp32" in told["notes"][0]
    else:
        assert told["layers"]["fp32"] == {}
    (written,) = [e.value for e in onnx.load(path).metadata_props if e.key == "quantization"]
    assert json.loads(written) == told
    samples = outputs(path, z=torch.zeros(1, 8))
    assert (samples.dtype, samples.shape) == (torch.float32, (1, 1, 28, 28))


def test_export_from_python_and_in_words(tmp_path: Path, command: Command) -> None:
    """Data and a generator that only the run of this process knows."""
    words = QUICK | {"discriminator.width": [8]}
    draw = torch.Generator().manual_seed(0)
    data = Dataset("mine", torch.randn(300, 2, generator=draw), split_by_draw(300))
    own = lambda latent_size, shape: MLPGenerator(latent_size, shape, [8])  # noqa: E731
    out, file = tmp_path / "run", tmp_path / "x.onnx"
    run = sparring.train("ring", data, out, words, generator=own)
    answer = run.export(file, quantize="fp16")
    assert answer["quantization"]["features"] == "samples"
    again = command("export", str(out), str(file), "--quantize", "fp16")
    assert again.code == 2  # a shell knows neither
    lines = told(answer["quantization"])
    assert "times the speed of fp32" in lines[0]
    assert lines[1].startswith("    fid ")
    assert lines[1].endswith("(120 samples, split test)")


def test_what_is_printed(images: Path, tmp_path: Path, command: Command) -> None:
    path = tmp_path / "x.onnx"
    answer = command("export", str(images / "model"), str(path), "--truncation")
    assert answer.code == 0, answer.stderr
    assert answer.stdout.startswith(f"{path}: within ")
    assert answer.stdout.endswith(" of PyTorch at batches of 1, 2, 7, 64\n")
    words = ["export", str(images / "model"), str(path), "--quantize", "int8", "--json"]
    error = command(*words).value["error"]
    assert "holds no run, whose test split would show" in error["message"]
    assert error["hint"] == "name the run, or leave --quantize out"
