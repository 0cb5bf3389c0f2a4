"""Generators as files that other programs use, and data as one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from sparring.api.reading import read
from sparring.data import Dataset, open_data, write_packed
from sparring.errors import InputError
from sparring.hub import upload
from sparring.metrics import Scorer
from sparring.onnx_export import export_onnx
from sparring.recipe import Data
from sparring.recipes import load_recipe
from sparring.run import RunFolder, open_run
from sparring.starting import (
    tell,
)


def export(
    path: str | Path,
    file: str | Path,
    *,
    uint8: bool = False,
    truncation: bool = False,
    quantize: str | None = None,
    generator: Callable[..., nn.Module] | None = None,
    data: Dataset | None = None,
) -> dict[str, Any]:
    """Write the generator of a run or model folder as ONNX, checked against PyTorch.

    The input is `z` [N, latent size], the output `samples` [N, ...] in [-1, 1], uint8 with `uint8`;
    `truncation` adds an input [N] that scales z, or styles around their mean. `quantize`, `int8` or
    `fp16`, needs a run, on whose test split its cost is measured. Returns path, max_abs_error,
    batches_checked.
    """
    model = read(path, generator)
    if quantize is None:
        return export_onnx(model, Path(file), uint8, truncation)
    if not RunFolder(path).exists:
        raise InputError(
            f"`{path}` holds no run, whose test split would show what --quantize costs",
            "name the run, or leave --quantize out",
        )
    recipe = load_recipe(open_run(path).recipe)
    config = recipe.evaluation

    def scorer() -> Scorer:
        return Scorer(data or open_data(recipe.data), "test", config.features)

    how = (uint8, truncation, quantize, scorer, config.final_samples)
    return export_onnx(model, Path(file), *how)


def push(path: str | Path, name: str, private: bool = False) -> str:
    """Put the model of a run or a model folder on the Hugging Face hub as USER/NAME.

    Needs the extra `hub` and a token that may write (HF_TOKEN); returns the address.
    """
    folder = RunFolder(path)
    return upload(folder.model if folder.exists else folder.path, name, private)


def pack(
    data: str,
    file: str | Path,
    size: int | None = None,
    channels: int | None = None,
    background: str = "white",
) -> dict[str, Any]:
    """Put a data set into one memory-mapped file; returns its path, samples and shape."""
    path = Path(file)
    if path.suffix != ".safetensors":
        raise InputError(f"`{path}` does not end in .safetensors", "a packed file does")
    if path.exists():
        raise InputError(f"`{path}` exists already", "choose another name")
    named = {"name": data, "size": size, "channels": channels, "background": background}
    dataset = open_data(Data.model_validate(named))
    for note in dataset.notes:
        tell(f"data: {note}")
    write_packed(dataset, path)
    return {"path": str(path), "samples": len(dataset.values), "shape": list(dataset.shape)}
