"""Data sources by name or path, each turned into one array of samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sparring.data.ahead import Ahead
from sparring.data.cleaned import check_target, write_cleaned_arrays, write_cleaned_files
from sparring.data.dataset import Dataset, Modes, to_network, to_samples
from sparring.data.decode import Rejected, decode_whole, left_out, quiet
from sparring.data.domains import has_domains, open_domains, open_halves, with_inputs
from sparring.data.fit import fit_to_data
from sparring.data.hugging_face import PREFIX, find_rows, stamp_of
from sparring.data.images import colour_of, open_found
from sparring.data.known import KNOWN
from sparring.data.maps import UNPAIRED
from sparring.data.npz import mnist5k, read_labelled, read_npz, read_samples
from sparring.data.packed import read_packed, write_packed
from sparring.data.resize import bring_to
from sparring.data.sampler import Sampler
from sparring.data.shards import find_in_shards, shards_of, stamps_of
from sparring.data.source import Source, find_images, read_file
from sparring.data.stacked import stacked_mnist
from sparring.data.survey import survey_arrays, survey_files
from sparring.data.toy import TOYS
from sparring.errors import InputError, did_you_mean
from sparring.recipe import Data

__all__ = [
    "Ahead",
    "Dataset",
    "Modes",
    "Rejected",
    "Sampler",
    "Source",
    "audit_data",
    "colour_of",
    "data_names",
    "decode_whole",
    "find_images",
    "fit_to_data",
    "left_out",
    "open_data",
    "quiet",
    "read_file",
    "read_labelled",
    "read_samples",
    "to_network",
    "to_samples",
    "write_packed",
]

PACKED = ".safetensors"


def data_names() -> list[str]:
    """The data sets that are known by name."""
    return ["mnist5k", *KNOWN, *TOYS, "stacked-mnist"]


def audit_data(name: str, fix: Path | None = None) -> dict[str, Any]:
    """What is wrong with a data set; with `fix`, a copy without it is written there.

    Returns samples, shape, classes and problems, and of a copy its path and samples.
    """
    path = Path(name).expanduser()
    if fix is not None:
        check_target(fix, path if path.exists() else None)
    find = _files_of(name)
    if find is not None:
        source = find[1]()
        survey = survey_files(source)
        kept = None if fix is None else write_cleaned_files(source, survey.problems, fix)
    else:
        dataset = open_data(Data(name=name))
        survey = survey_arrays(dataset)
        kept = None if fix is None else write_cleaned_arrays(dataset, survey.problems, fix)
    found = survey.json()
    return found if fix is None else found | {"fixed": {"path": str(fix), "samples": kept}}


def _files_of(name: str) -> tuple[Any, Callable[[], Source]] | None:
    """Of a source of image files, what tells that they have changed, and what finds them."""
    if name.startswith(PREFIX):
        rows = name.removeprefix(PREFIX)
        return (name, stamp_of(rows)), lambda: find_rows(rows)
    path = Path(name).expanduser()
    if shards := shards_of(path):
        return stamps_of(shards), lambda: find_in_shards(path, shards)
    if path.is_dir() or (path.suffix == ".zip" and path.is_file()):
        source = find_images(path)
        return (source.files, source.stamps), lambda: source
    return None


def open_data(data: Data) -> Dataset:
    """The data set that a recipe names, at the size and in the channels that it asks for.

    With `data.inputs` it is one for image-to-image recipes, with a `source`.
    """
    _check_options(data)
    if data.inputs is not None:
        return _open_two(data)
    return _open_one(data)


def _open_two(data: Data) -> Dataset:
    """Two domains. Folders A and B are what they are, whatever a recipe makes of other data."""
    path = Path(data.name).expanduser()
    if data.inputs != "small" and has_domains(path):
        return open_domains(path, data, paired=data.inputs not in (*UNPAIRED, "unpaired"))
    if data.inputs in ("left", "right"):
        return open_halves(path, data)
    if data.inputs in (*UNPAIRED, "unpaired") and (path.is_dir() or path.suffix == ".zip"):
        raise InputError(
            f"`{path}` has no folders A and B",
            "put the images of either domain into subfolders A and B (or trainA and trainB)",
        )
    return with_inputs(_open_one(data), data)


def _open_one(data: Data) -> Dataset:
    dataset = _open(data)
    if not dataset.is_images:
        if data.size or data.channels or data.flip:
            raise InputError(
                f"data `{data.name}` holds vectors, not images",
                "leave data.size, data.channels and data.flip out",
            )
        return dataset
    return bring_to(dataset, data.size, data.channels)


def _check_options(data: Data) -> None:
    meant_for = {
        "mean": ("gaussian",),
        "std": ("gaussian", "ring", "grid"),
        "digits": ("stacked-mnist",),
    }
    for key, names in meant_for.items():
        if getattr(data, key) is not None and data.name not in names:
            raise InputError(
                f"data.{key} has no meaning for data `{data.name}`", f"leave data.{key} out"
            )


def _open(data: Data) -> Dataset:
    if data.name == "mnist5k":
        return mnist5k()
    if data.name in KNOWN:
        return KNOWN[data.name]()
    if data.name == "gaussian":
        return TOYS[data.name](data.mean, data.std)
    if data.name in ("ring", "grid"):
        return TOYS[data.name](data.std)
    if data.name in TOYS:
        return TOYS[data.name]()
    if data.name == "stacked-mnist":
        return stacked_mnist(data.digits or 3)
    path = Path(data.name).expanduser()
    if path.suffix == ".npz":
        return read_npz(path)
    if path.suffix == PACKED:
        return read_packed(path)
    if (files := _files_of(data.name)) is not None:
        return open_found(Path(data.name), *files, data)
    if path.is_file():
        raise InputError(
            f"data `{path}` is a file of an unknown kind",
            "give a folder of images, a .zip or .tar shards of them, a .npz or a packed "
            ".safetensors",
        )
    raise InputError(
        f"there is no data set, folder or file `{data.name}`",
        f"{did_you_mean(data.name, data_names())} Or give the path of a folder, zip or npz.",
    )
