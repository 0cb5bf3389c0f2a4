"""Generators to ONNX: one file, any batch size, checked against PyTorch before it is there."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sparring.data import to_samples
from sparring.errors import InputError, said_by
from sparring.games import check_truncation, latents_of
from sparring.metrics import Scorer
from sparring.model import Model
from sparring.networks.styles import has_styles, truncated
from sparring.onnx_generator import LABELS, SAMPLES, TRUNCATION, OnnxGenerator, Z, need
from sparring.quantize import KINDS, cost, quantized
from sparring.run import write_bytes
from sparring.version import __version__

OPSET, IR_VERSION = 18, 8  # ONNX 1.13 of 2022; ONNX Runtime reads it from 1.14 on
BATCHES = (1, 2, 7, 64)
TOLERANCE = 1e-4  # absolute, in fp32; relative to the largest value where vectors go beyond 1
CHECKED_SEED = 10**6


def export_onnx(
    model: Model,
    path: Path,
    uint8: bool = False,
    truncation: bool = False,
    quantize: str | None = None,
    scorer: Callable[[], Scorer] | None = None,
    samples: int = 2000,
) -> dict[str, Any]:
    """Write a generator as ONNX; returns what `sparring export --json` prints.

    The input is `z` [N, latent size], and `labels` [N] where the generator knows classes; the
    output `samples` is float32 in [-1, 1] for images, or uint8 [N, C, H, W] with `uint8`. With
    `truncation` there is an input of that name [N]: 1 leaves z as it is, 0 is its mean, and between
    them z is scaled, or w of a style generator, whose noise is constant in the file. `quantize` is
    `int8` or `fp16`; what it costs is measured with what `scorer` makes, on so many samples.
    Raises InputError, and writes nothing, where the file would not do what PyTorch does.
    """
    _check(model, path, uint8, truncation, quantize)
    need("onnxscript")
    onnx = need("onnx")
    graph = _traced(model, truncation)
    known = describe(model, uint8, truncation)
    _tidy(graph, known)
    plain = OnnxGenerator(graph.SerializeToString(), path.name)
    error = _largest_error(model, plain, truncation)
    shown = plain
    measured = None
    if quantize:
        assert scorer is not None
        graph, how = quantized(graph, model, plain, quantize)
        _tidy(graph, known)
        shown = OnnxGenerator(graph.SerializeToString(), path.name)
        error = _largest_error(model, shown, truncation, bounded=False)
        measured = {"kind": quantize, **how, **cost(plain, shown, scorer(), samples)}
    if uint8:
        _put_out_bytes(graph)
    _tidy(graph, describe(model, uint8, truncation, measured))
    onnx.checker.check_model(graph, full_check=True)
    content = graph.SerializeToString()
    if uint8:
        _check_bytes(model, shown, OnnxGenerator(content, path.name))
    write_bytes(path, content)
    answer = {"path": str(path), "max_abs_error": error, "batches_checked": list(BATCHES)}
    return answer | ({"quantization": measured} if measured else {})


def describe(
    model: Model, uint8: bool, truncation: bool, measured: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The metadata of the file; there each value is JSON."""
    config = model.config
    float_range = [-1, 1] if model.is_images else None
    return {
        "sparring": __version__,
        "name": model.name,
        "version": version_of(model, measured["kind"] if measured else None),
        "opset": OPSET,
        "latent_size": model.latent.size,
        "prior": model.latent.prior,
        "shape": list(model.shape),
        "value_range": [0, 255] if uint8 else float_range,
        "classes": list(model.classes),
        "class_counts": list(model.prior.class_counts),
        "truncation": truncation,
        "styles": has_styles(model.generator),
        "data": config.get("data", {}),
        "step": config.get("step"),
        "metrics": config.get("metrics", {}),
        "quantization": measured,
    }


def version_of(model: Model, quantize: str | None = None) -> str:
    """A hash of weights and description: two files of one version make the same samples."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(json.dumps([model.config, quantize], sort_keys=True).encode())
    for name, tensor in sorted(model.generator.state_dict().items()):
        digest.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _check(model: Model, path: Path, uint8: bool, truncation: bool, quantize: str | None) -> None:
    if path.suffix != ".onnx":
        raise InputError(f"`{path}` does not end in .onnx", "an exported generator does")
    if model.input_shape is not None:
        raise InputError(
            f"generator `{model.name}` makes images of images, and only generators of latents are "
            "exported",
            "use it from Python: sparring.load(RUN) is a torch.nn.Module",
        )
    if uint8 and not model.is_images:
        raise InputError("this generator makes vectors, not images", "leave --uint8 out")
    if truncation:
        check_truncation(model.generator, model.latent)
    if quantize is not None and quantize not in KINDS:
        raise InputError(
            f"--quantize {quantize}: there is no such precision", f"choose from: {', '.join(KINDS)}"
        )


class _Shipped(nn.Module):
    """A generator as other programs call it."""

    def __init__(self, generator: nn.Module, images: bool) -> None:
        super().__init__()
        self.generator = generator
        self.images = images

    def forward(
        self, z: Tensor, labels: Tensor | None = None, truncation: Tensor | None = None
    ) -> Tensor:
        samples = truncated(self.generator, z, labels, truncation)
        return samples.clamp(-1, 1) if self.images else samples


def _inputs(model: Model, count: int, truncation: bool) -> dict[str, Tensor]:
    """Inputs as the file is asked for them, `count` samples."""
    seeds = range(CHECKED_SEED, CHECKED_SEED + count)
    inputs = {Z: latents_of(model.latent, seeds)}
    if model.classes:
        inputs[LABELS] = torch.arange(count) % len(model.classes)
    if truncation:
        inputs[TRUNCATION] = torch.full((count,), 0.5)
    return inputs


def _traced(model: Model, truncation: bool) -> Any:
    """The graph in fp32.

    Tracing without Python's own control flow comes first; where it takes the batch size for a
    constant, as in `len(z)`, the code itself is read.
    """
    shipped = _Shipped(model.generator, model.is_images).eval()
    inputs = _inputs(model, 3, truncation)
    batch = torch.export.Dim("batch")
    shapes = {name: {0: batch} for name in inputs}
    problem: Exception | None = None
    for strict in (False, True):
        try:
            with _quiet():
                program = torch.export.export(
                    shipped, (), kwargs=inputs, dynamic_shapes=shapes, strict=strict
                )
                exported = torch.onnx.export(
                    program,
                    input_names=list(inputs),
                    output_names=[SAMPLES],
                    opset_version=OPSET,
                    dynamo=True,
                    external_data=False,
                    verbose=False,
                )
            assert exported is not None
            return exported.model_proto
        except Exception as error:  # whatever the user's own code, or an operator, brings
            problem = error
    assert problem is not None
    raise InputError(
        f"generator `{model.name}` cannot be exported: {said_by(problem)}",
        "its forward pass must be tensor operations that work for a batch of any size",
    ) from problem


def _largest_error(
    model: Model, exported: OnnxGenerator, truncation: bool, bounded: bool = True
) -> float:
    """The largest difference to PyTorch at several batch sizes; InputError where it is too large.

    Without `bounded` (a lower precision is meant to differ) only what is no number is refused.
    """
    shipped = _Shipped(model.generator, model.is_images).eval()
    worst = 0.0
    for count in BATCHES:
        inputs = _inputs(model, count, truncation)
        with torch.inference_mode():
            expected, again = shipped(**inputs), shipped(**inputs)
        if not torch.equal(expected.nan_to_num(), again.nan_to_num()):
            raise InputError(
                f"generator `{model.name}` makes other samples of the same latents each time",
                "let all its randomness come from z; a file cannot draw as PyTorch does",
            )
        found = exported.run(inputs[Z], inputs.get(LABELS), 0.5 if truncation else 1.0)
        if found.shape != expected.shape:
            raise InputError(
                f"generator `{model.name}` makes {tuple(found.shape)} of a batch of {count} in "
                f"ONNX, {tuple(expected.shape)} in PyTorch",
                "its forward pass must work for a batch of any size",
            )
        error = (found - expected).abs().max().item()
        allowed = TOLERANCE * max(1.0, expected.abs().max().item())
        if not error <= (allowed if bounded else float("inf")):
            raise InputError(
                f"generator `{model.name}` differs by {error:.2g} between ONNX and PyTorch at "
                f"batch size {count} (at most {allowed:.2g} is allowed)",
                "does its forward pass depend on the batch, on NaN, or on anything but z?",
            )
        worst = max(worst, error)
    return worst


def _check_bytes(model: Model, floats: OnnxGenerator, in_bytes: OnnxGenerator) -> None:
    """Whether the bytes are those that `sample` makes: only where floats tie may they differ."""
    for count in BATCHES:
        inputs = _inputs(model, count, TRUNCATION in floats.inputs)
        call = inputs[Z], inputs.get(LABELS)
        expected = to_samples(floats.run(*call), images=True)
        error = (in_bytes.run(*call).int() - expected.int()).abs().max().item()
        if error > 1:
            raise InputError(
                f"generator `{model.name}` differs by {error} grey levels as uint8",
                "export it without --uint8",
            )


def _put_out_bytes(graph: Any) -> None:
    """Let the graph end as `to_samples` does: add 1, times 127.5, round half to even, clip."""
    onnx = need("onnx")
    make = onnx.helper.make_node
    output = graph.graph.output[0]
    for node in graph.graph.node:
        node.output[:] = ["floats" if name == SAMPLES else name for name in node.output]
        node.input[:] = ["floats" if name == SAMPLES else name for name in node.input]
    values = {"one": 1.0, "half_range": 127.5, "black": 0.0, "white": 255.0}
    graph.graph.initializer.extend(
        onnx.helper.make_tensor(f"bytes.{name}", onnx.TensorProto.FLOAT, [], [value])
        for name, value in values.items()
    )
    graph.graph.node.extend(
        [
            make("Add", ["floats", "bytes.one"], ["bytes.added"]),
            make("Mul", ["bytes.added", "bytes.half_range"], ["bytes.scaled"]),
            make("Round", ["bytes.scaled"], ["bytes.rounded"]),
            make("Clip", ["bytes.rounded", "bytes.black", "bytes.white"], ["bytes.clipped"]),
            make("Cast", ["bytes.clipped"], [SAMPLES], to=onnx.TensorProto.UINT8),
        ]
    )
    output.type.tensor_type.elem_type = onnx.TensorProto.UINT8


def _tidy(graph: Any, metadata: dict[str, Any]) -> None:
    """Metadata of ours in place of the exporter's, which tells of files on this machine."""
    inner = graph.graph
    for part in (inner, *inner.node, *inner.input, *inner.output, *inner.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    del inner.value_info[:]
    inner.name = "generator"
    for port in (*inner.input, *inner.output):
        port.type.tensor_type.shape.dim[0].dim_param = "batch"
    graph.ir_version = IR_VERSION
    graph.producer_name, graph.producer_version = "sparring", __version__
    del graph.metadata_props[:]
    for key, value in metadata.items():
        graph.metadata_props.add(key=key, value=json.dumps(value))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Warnings of the exporter, which are not for users, stay inside."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
