"""Exported generators in int8 or fp16, and what that costs in distance and brings in speed."""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from sparring.errors import InputError
from sparring.games import CHUNK, latents_of
from sparring.metrics import Scorer
from sparring.model import Model
from sparring.onnx_generator import LABELS, TRUNCATION, OnnxGenerator, Z, need

KINDS = ("int8", "fp16")
COSTS = ("fid", "kid")
LAYERS = ("Gemm", "MatMul", "Conv", "ConvTranspose")
# ONNX Runtime has kernels in int8 for these on CPUs; it stores ConvTranspose in int8 too, but
# turns it back at every call, which made a 64x64 DCGAN slower than in fp32.
IN_INT8 = ["Gemm", "MatMul", "Conv"]
CALIBRATION_SEED, CALIBRATION = 2 * 10**6, 4  # batches
PAIRS = 15


def quantized(
    graph: Any, model: Model, plain: OnnxGenerator, kind: str
) -> tuple[Any, dict[str, Any]]:
    """The graph in a lower precision, with inputs and outputs in float32 still, and how."""
    before = len(graph.SerializeToString())
    changed = _int8(graph, model, plain) if kind == "int8" else _fp16(graph)
    lower, kept = _layers(changed, kind)
    if not lower:
        raise InputError(
            f"generator `{model.name}` has no layer that can be in {kind}", "leave --quantize out"
        )
    how = {
        "method": METHODS[kind],
        "layers": {kind: lower, "fp32": kept},
        "bytes": len(changed.SerializeToString()),
        "bytes_fp32": before,
        "notes": _notes(kind, kept),
    }
    return changed, how


METHODS = {
    "int8": f"static, weights per channel, ranges from {CALIBRATION * CHUNK} latents",
    "fp16": "weights and layers in fp16, input and output in fp32",
}


def cost(
    plain: OnnxGenerator, changed: OnnxGenerator, scorer: Scorer, samples: int
) -> dict[str, Any]:
    """Distances to real data before and after from the same latents, and the speed of both.

    `speed` is the median, over interleaved pairs at batch 64, of the time before by that after.
    """
    before, after = (
        scorer.estimates(each.sample(range(samples)), COSTS) for each in (plain, changed)
    )
    return {
        "distance": {
            name: {"before": before[name].value, "after": after[name].value} for name in COSTS
        },
        "features": scorer.extractor.name,
        "split": scorer.split,
        "samples": samples,
        "speed": _ratio(plain, changed),
        "threads": torch.get_num_threads(),
    }


def _ratio(plain: OnnxGenerator, changed: OnnxGenerator) -> float:
    z = latents_of(plain.latent, range(CHUNK))
    ratios = []
    for pair in range(PAIRS + 1):
        started = time.perf_counter()
        plain.run(z)
        between = time.perf_counter()
        changed.run(z)
        if pair:  # the first warms up
            ratios.append((between - started) / (time.perf_counter() - between))
    return round(statistics.median(ratios), 3)


def _int8(graph: Any, model: Model, plain: OnnxGenerator) -> Any:
    """Static quantization by ONNX Runtime's own tool, which reads and writes files."""
    onnx = need("onnx")
    tool = need("onnxruntime.quantization")
    prepare = need("onnxruntime.quantization.shape_inference").quant_pre_process

    class Latents(tool.CalibrationDataReader):  # type: ignore[name-defined]
        def __init__(self) -> None:
            self.batches = _calibration(model, plain)

        def get_next(self) -> dict[str, Any] | None:
            return next(self.batches, None)

    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            whole, ready, done = (Path(folder) / f"{name}.onnx" for name in ("a", "b", "c"))
            onnx.save(graph, whole)
            prepare(str(whole), str(ready))
            tool.quantize_static(
                str(ready),
                str(done),
                Latents(),
                quant_format=tool.QuantFormat.QDQ,
                op_types_to_quantize=IN_INT8,
                per_channel=True,
                activation_type=tool.QuantType.QUInt8,
                weight_type=tool.QuantType.QInt8,
            )
            return onnx.load(done)
    finally:
        logging.disable(level)


def _calibration(model: Model, plain: OnnxGenerator) -> Iterator[dict[str, Any]]:
    for batch in range(CALIBRATION):
        first = CALIBRATION_SEED + batch * CHUNK
        z = latents_of(model.latent, range(first, first + CHUNK))
        feed: dict[str, Any] = {Z: z.numpy()}
        if LABELS in plain.inputs:
            feed[LABELS] = (torch.arange(first, first + CHUNK) % len(model.classes)).numpy()
        if TRUNCATION in plain.inputs:
            feed[TRUNCATION] = torch.ones(CHUNK).numpy()
        yield feed


def _fp16(graph: Any) -> Any:
    """By the converter that ONNX Runtime carries and maintains for its own models."""
    convert = need("onnxruntime.transformers.float16").convert_float_to_float16
    halved = convert(graph, keep_io_types=True)
    need("onnxruntime.transformers.onnx_model").OnnxModel(halved).topological_sort()
    return halved


def _layers(graph: Any, kind: str) -> tuple[dict[str, int], dict[str, int]]:
    """How many layers of each type are in the lower precision, and how many are not."""
    onnx = need("onnx")
    if kind == "int8":
        low = {
            name
            for node in graph.graph.node
            if node.op_type == "DequantizeLinear"
            for name in node.output
        }
    else:
        half = onnx.TensorProto.FLOAT16
        low = {tensor.name for tensor in graph.graph.initializer if tensor.data_type == half}
    layers = [node for node in graph.graph.node if node.op_type in LAYERS]
    lower = Counter(node.op_type for node in layers if node.input[1] in low)
    kept = Counter(node.op_type for node in layers if node.input[1] not in low)
    return dict(lower), dict(kept)


def _notes(kind: str, kept: dict[str, int]) -> list[str]:
    notes = []
    if kind == "int8" and kept.get("ConvTranspose"):
        notes.append(
            f"the {kept['ConvTranspose']} transposed convolutions stay in fp32: ONNX Runtime has "
            "no int8 kernel for them on CPUs"
        )
    if kind == "fp16":
        notes.append("CPUs compute most of fp16 in fp32: it is for size, and for GPUs")
    return notes


def told(measured: dict[str, Any] | None) -> list[str]:
    """What `cost` and `quantized` measured, as lines of text."""
    if measured is None:
        return []
    kind = measured["kind"]
    share = measured["bytes"] / measured["bytes_fp32"]
    lines = [f"{kind}: {share:.0%} of the size, {measured['speed']:.2f} times the speed of fp32"]
    for name, values in measured["distance"].items():
        lines.append(
            f"    {name} {values['before']:.5g} in fp32, {values['after']:.5g} in {kind} "
            f"({measured['samples']} samples, split {measured['split']})"
        )
    return [*lines, *(f"    {note}" for note in measured["notes"])]
