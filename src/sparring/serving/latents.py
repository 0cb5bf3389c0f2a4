"""Ways through latent space: from one seed to another, and along directions of the model."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from sparring.games import arc
from sparring.onnx_generator import need
from sparring.serving.version import Version

Array = npt.NDArray[Any]

MOST_DIRECTIONS = 16
LAYERS = ("Gemm", "MatMul", "Conv", "ConvTranspose")


class Directions(NamedTuple):
    """Unit vectors [K, size] of latent space, and the share of the first layer's energy of each."""

    vectors: Array
    shares: Array


def between(version: Version, start: int, end: int, steps: int) -> Array:
    """Latents [steps, size] from that of one seed to that of another, both included."""
    ends = version.inputs(range(start, start + 1)).z, version.inputs(range(end, end + 1)).z
    share = torch.linspace(0, 1, steps)[:, None]
    found: Array = arc(version.latent, *ends, share).numpy()
    found[[0, -1]] = [ends[0][0].numpy(), ends[1][0].numpy()]  # to the last bit
    return found


def along(z: Array, direction: Array, reach: float, steps: int) -> Array:
    """Latents [steps, size] from -reach to +reach of a unit direction around z [size]."""
    found: Array = z + np.linspace(-reach, reach, steps)[:, None] * direction
    return found.astype(np.float32)


def directions(version: Version) -> Directions | None:
    """What changes the first layer's output most: its right singular vectors.

    The closed-form factorization of Shen and Zhou (2021). The layer is the first that multiplies
    something as long as the latents; None where there is none, as in a quantized file.
    """
    weight = _first_layer(version)
    if weight is None:
        return None
    _, values, vectors = np.linalg.svd(weight.astype(np.float64), full_matrices=False)
    count = min(MOST_DIRECTIONS, len(vectors))
    # The sign is free: the largest part is positive, so that it is the same on every machine.
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(1)[:, None], 1)
    energy = values**2
    total = energy.sum() or 1.0
    return Directions((vectors * np.sign(largest))[:count], (energy / total)[:count])


def _first_layer(version: Version) -> Array | None:
    """The weights [outputs, latent size] of the layer that the latents enter.

    Where an embedding of the label is concatenated to them, its part is left out.
    """
    onnx = need("onnx")
    graph = onnx.load_from_string(version.content).graph
    weights = {one.name: one for one in graph.initializer}
    size = version.latent.size
    for node in graph.node:
        known = [name for name in node.input if name in weights]
        if node.op_type not in LAYERS or not known:
            continue
        weight: Array = onnx.numpy_helper.to_array(weights[known[0]])
        flags = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        last = node.op_type == "Conv" or flags.get("transB", 0) == 1
        weight = np.moveaxis(weight, 1 if last else 0, -1)  # inputs last
        if weight.shape[-1] < size:
            return None
        return weight.reshape(-1, weight.shape[-1])[:, :size]
    return None
