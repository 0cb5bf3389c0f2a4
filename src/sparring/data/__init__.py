"""Data sources by name or path, each turned into one array of samples."""

from __future__ import annotations

from pathlib import Path

from sparring.data.dataset import Dataset, Modes, to_network, to_samples
from sparring.data.npz import mnist5k, read_npz, read_samples
from sparring.data.sampler import Sampler
from sparring.data.toy import TOYS
from sparring.errors import InputError, did_you_mean
from sparring.recipe import Data

__all__ = [
    "Dataset",
    "Modes",
    "Sampler",
    "data_names",
    "open_data",
    "read_samples",
    "to_network",
    "to_samples",
]


def data_names() -> list[str]:
    """The data sets that are known by name."""
    return ["mnist5k", *TOYS]


def open_data(data: Data) -> Dataset:
    """The data set that a recipe names, checked against the size and channels it asks for."""
    dataset = _open(data)
    if dataset.is_images:
        channels, height, width = dataset.shape
        if data.size not in (None, height) or data.channels not in (None, channels):
            raise InputError(
                f"data `{data.name}` has {channels} channels of {height}x{width} pixels, "
                f"the recipe asks for data.size={data.size} data.channels={data.channels}",
                "leave data.size and data.channels out to take them from the data",
            )
        if height != width:
            raise InputError(f"data `{data.name}` is {height}x{width}", "images must be square")
    return dataset


def _open(data: Data) -> Dataset:
    for key, names in (("mean", ("gaussian",)), ("std", ("gaussian", "ring", "grid"))):
        if getattr(data, key) is not None and data.name not in names:
            raise InputError(
                f"data.{key} has no meaning for data `{data.name}`", f"leave data.{key} out"
            )
    if data.name == "mnist5k":
        return mnist5k()
    if data.name == "gaussian":
        return TOYS[data.name](data.mean, data.std)
    if data.name in ("ring", "grid"):
        return TOYS[data.name](data.std)
    if data.name in TOYS:
        return TOYS[data.name]()
    path = Path(data.name)
    if path.suffix == ".npz":
        return read_npz(path)
    raise InputError(
        f"there is no data set `{data.name}`",
        f"{did_you_mean(data.name, data_names())} A file ends in .npz.",
    )
