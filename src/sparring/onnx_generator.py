"""ONNX generators, of this program and of others: what goes in, what comes out, and samples."""

from __future__ import annotations

import contextlib
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparring.data import to_samples
from sparring.errors import InputError
from sparring.games import CHUNK, Prior
from sparring.recipe import Latent

Z, LABELS, TRUNCATION, SAMPLES = "z", "labels", "truncation", "samples"
FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
FARTHEST = 2.0  # no image in [-1, 1] has such values: they are on another scale


def need(module: str) -> Any:
    """A module of the extra `export`; InputError where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(
            f"ONNX files need {module.partition('.')[0]}", "pip install 'sparring[export]'"
        ) from None


class OnnxGenerator:
    """A generator in ONNX Runtime: latents [N, size] to samples.

    `metadata` is what `sparring export` wrote, empty for a file of another program; for those the
    prior is the standard normal. `name` is for messages. Raises InputError where the file is not
    an ONNX generator. `provider` is where ONNX Runtime computes.
    """

    def __init__(
        self, source: Path | bytes, name: str, provider: str = "CPUExecutionProvider"
    ) -> None:
        runtime = need("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # what goes wrong is raised
        if isinstance(source, Path) and not source.is_file():
            raise InputError(f"`{name}` does not exist", "check the path")
        try:
            self.session = runtime.InferenceSession(
                source if isinstance(source, bytes) else str(source),
                options,
                providers=[provider],
            )
        except Exception as error:  # ONNX Runtime's own have no common base
            raise InputError(
                f"`{name}` cannot be read as ONNX: {first_line(error)}",
                "make it again with sparring export, or torch.onnx.export",
            ) from None
        self.name = name
        self.metadata = _metadata(self.session)
        self.classes = tuple(self.metadata.get("classes", ()))
        self.inputs = {port.name: port for port in self.session.get_inputs()}
        self.z = self._latents()
        prior = self.metadata.get("prior", "normal")
        if prior not in ("normal", "uniform"):
            raise InputError(f"`{name}` has an unknown prior: {prior}", "export it again")
        self.latent = Latent(size=self._size(), prior=prior)
        counts = self.metadata.get("class_counts") or [1] * len(self.classes)
        self.prior = Prior(self.latent, counts)
        outputs = {port.name: port for port in self.session.get_outputs()}
        self.output = outputs[SAMPLES if SAMPLES in outputs else next(iter(outputs))]
        if self.output.type not in (*FLOATS, "tensor(uint8)"):
            raise InputError(
                f"`{name}` puts out `{self.output.name}` as {self.output.type}",
                "samples are floats in [-1, 1], or uint8",
            )

    @property
    def data(self) -> dict[str, Any]:
        """Name and licence of the data set that it was trained on, where that is known."""
        return dict(self.metadata.get("data", {}))

    def run(self, z: Tensor, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """What the file makes of latents [N, size], as it is: one batch, one class each."""
        port = self.inputs[self.z]
        feed = {self.z: z.numpy().astype(FLOATS[port.type]).reshape(-1, *port.shape[1:])}
        if LABELS in self.inputs:
            feed[LABELS] = (labels if labels is not None else torch.zeros(len(z))).long().numpy()
        if TRUNCATION in self.inputs:
            feed[TRUNCATION] = np.full(len(z), truncation, np.float32)
        try:
            (found,) = self.session.run([self.output.name], feed)
        except Exception as error:
            raise InputError(
                f"`{self.name}` fails on {len(z)} latents of {self.latent.size}: "
                f"{first_line(error)}",
                "export it again, with a batch of any size",
            ) from None
        if len(found) != len(z):
            raise InputError(
                f"`{self.name}` makes {len(found)} samples of {len(z)} latents of "
                f"{self.latent.size}",
                "export it again, with a batch of any size",
            )
        return torch.from_numpy(found)

    def sample(self, seeds: range) -> Tensor:
        """Samples of seeds: uint8 [N, C, H, W] of images, float32 [N, D] of vectors.

        The last batch is filled up. Classes come as often as in the training data.
        """
        fixed = self.inputs[self.z].shape[0]
        size = fixed if isinstance(fixed, int) else CHUNK
        parts = []
        for start in range(0, len(seeds), size):
            chosen = seeds[start : start + size]
            z, labels = torch.zeros(size, self.latent.size), torch.zeros(size, dtype=torch.long)
            inputs = self.prior.of(chosen)
            z[: len(chosen)] = inputs.z
            if inputs.labels is not None:
                labels[: len(chosen)] = inputs.labels
            parts.append(self._as_samples(self.run(z, labels)[: len(chosen)]))
        return torch.cat(parts)

    def _as_samples(self, output: Tensor) -> Tensor:
        if output.dim() == 4 and output.shape[1] not in (1, 3) and output.shape[3] in (1, 3):
            output = output.permute(0, 3, 1, 2)
        images = output.dim() == 4 and output.shape[1] in (1, 3)
        if output.dtype == torch.uint8 and images:
            return output.contiguous()
        if output.dtype == torch.uint8 or not (images or output.dim() == 2):
            raise InputError(
                f"`{self.name}` makes samples of shape {tuple(output.shape[1:])}",
                "images are [N, C, H, W] with C 1 or 3, vectors [N, D] of floats",
            )
        if not output.isfinite().all():
            raise InputError(f"`{self.name}` makes NaN or Inf", "export a generator that does not")
        if images and output.abs().max() > FARTHEST:
            raise InputError(
                f"`{self.name}` makes images with values from {output.min():.4g} to "
                f"{output.max():.4g}",
                "let them lie in [-1, 1], or put out uint8",
            )
        return to_samples(output, images)

    def _latents(self) -> str:
        """The name of the input that takes the latents; all others must be known."""
        found = [
            name
            for name, port in self.inputs.items()
            if port.type in FLOATS and len(port.shape) >= 2 and set(port.shape[2:]) <= {1}
        ]
        named = [name for name in found if Z in name.lower()]
        if len(named) != 1 and len(found) != 1:
            listed = ", ".join(f"{p.name} {p.type} {p.shape}" for p in self.inputs.values())
            raise InputError(
                f"`{self.name}` has no input for latents: {listed or 'it has no inputs'}",
                "a generator takes floats `z` [batch, size]",
            )
        name = named[0] if len(named) == 1 else found[0]
        known = {LABELS, TRUNCATION} if self.metadata else set()
        if others := self.inputs.keys() - {name} - known:
            raise InputError(
                f"`{self.name}` also needs the input `{min(others)}`",
                "export it with latents as its only input",
            )
        return name

    def _size(self) -> int:
        size = self.inputs[self.z].shape[1]
        if not isinstance(size, int) or size < 1:
            raise InputError(
                f"`{self.name}` does not say how long its latents `{self.z}` are",
                "export it with only the batch size left open",
            )
        return size


def first_line(error: Exception) -> str:
    """The first line of what a library says."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _metadata(session: Any) -> dict[str, Any]:
    """What `sparring export` wrote, in JSON; other tools may have added what is none."""
    written = session.get_modelmeta().custom_metadata_map
    found = {}
    for key, value in written.items() if "sparring" in written else ():
        with contextlib.suppress(ValueError):
            found[key] = json.loads(value)
    return found
