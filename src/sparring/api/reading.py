"""The generator of a run or a model folder, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn

from sparring.errors import InputError
from sparring.games import (
    check_truncation,
)
from sparring.hub import PREFIX, fetch
from sparring.model import Model, is_model, read_model
from sparring.run import RunFolder


def load(path: str | Path, generator: Callable[..., nn.Module] | None = None) -> nn.Module:
    """The generator of a run or a model folder: eval mode, averaged weights of the best step.

    `hf:USER/NAME` is a model folder on the Hugging Face hub (extra `hub`).
    """
    return read(path, generator).generator


def from_pretrained(name: str, generator: Callable[..., nn.Module] | None = None) -> nn.Module:
    """The generator of the model USER/NAME on the Hugging Face hub (extra `hub`), as `load` gives
    it."""
    return load(f"{PREFIX}{name.removeprefix(PREFIX)}", generator)


def read(path: str | Path, make: Callable[..., nn.Module] | None = None) -> Model:
    """The generator of a run or a model folder, with what is needed to sample it."""
    if str(path).startswith(PREFIX):
        return read_model(fetch(str(path).removeprefix(PREFIX), runs_code=make is not None), make)
    folder = RunFolder(path)
    if not folder.exists and not is_model(folder.path):
        raise InputError(
            f"`{path}` holds neither a run nor a model",
            "name a run; they are in `runs/` by default",
        )
    return read_model(folder.model if folder.exists else folder.path, make)


def asked(
    path: str | Path,
    count: int,
    seed: int,
    label: str | int | None,
    truncation: float | None,
    make: Callable[..., nn.Module] | None = None,
) -> tuple[Model, range, int | None]:
    """The model of a run, the seeds and the number of the class that samples are asked for."""
    model = read(path, make)
    seeds = _seeds(seed, count)
    wanted = None if label is None else model.label(str(label))
    if truncation is not None:
        check_truncation(model.generator, model.latent, truncation)
    return model, seeds, wanted


def _seeds(seed: int, count: int) -> range:
    if count < 1:
        raise InputError(f"count={count}", "ask for at least 1 sample")
    if not 0 <= seed < 2**53:
        raise InputError(f"seed={seed} is out of range", "choose from 0 to 2^53 - 1")
    return range(seed, seed + count)
