"""A data set in one file that is memory-mapped: safetensors, with the words in its metadata."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sparring.data.dataset import SPLITS, Dataset, Modes
from sparring.data.mapped import MappedFile
from sparring.errors import InputError
from sparring.run import whole_file

FORMAT = "sparring data 1"
TYPES = {torch.uint8: "U8", torch.int64: "I64", torch.float32: "F32"}
ROWS = 4096  # written at a time; the whole may be larger than memory


def write_packed(dataset: Dataset, path: Path) -> None:
    """Write a data set so that it is there whole or not at all."""
    tensors = {name: dataset.splits[name] for name in SPLITS}
    if dataset.labels is not None:
        tensors["labels"] = dataset.labels
    if dataset.modes is not None:
        tensors["modes"] = dataset.modes.centers
    tensors["samples"] = dataset.values  # last: the others are whole words and stay aligned
    words: dict[str, Any] = {
        "name": dataset.name,
        "description": dataset.description,
        "licence": dataset.licence,
        "classes": list(dataset.classes),
        "notes": list(dataset.notes),
        "radius": dataset.modes.radius if dataset.modes else None,
        "digits": dataset.modes is not None and dataset.modes.are_digits,
        "content": dataset.fingerprint,
        "files": list(dataset.files),
    }
    header: dict[str, Any] = {"__metadata__": {"format": FORMAT, "words": json.dumps(words)}}
    start = 0
    for name, tensor in tensors.items():
        end = start + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with whole_file(path) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            for part in tensor.split(ROWS):
                file.write(part.contiguous().numpy().data)
        file.flush()
        os.fsync(file.fileno())


def read_packed(path: Path) -> Dataset:
    """The data set in a packed file, its samples memory-mapped; InputError says what is wrong."""
    try:
        mapped = MappedFile.of(path)
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            if about.get("format") != FORMAT:
                raise InputError(
                    f"`{path}` is no packed data", "make it with `sparring data pack DATA FILE`"
                )
            names = list(file.keys())
            tensors = {name: file.get_tensor(name) for name in names}
        for name in names:
            if name != "samples":  # all but the samples are small: read once, they stay
                tensors[name] = tensors[name].clone()
        words = json.loads(about["words"])
        return _checked(tensors, words, mapped)
    except FileNotFoundError:
        raise InputError(f"`{path}` does not exist", "check the path") from None
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"`{path}` is damaged: {error}", "pack the data again") from None


def _checked(tensors: dict[str, Tensor], words: dict[str, Any], mapped: MappedFile) -> Dataset:
    """The parts put together; ValueError, KeyError or IndexError where they do not fit."""
    samples, labels = tensors["samples"], tensors.get("labels")
    splits = {name: tensors[name] for name in SPLITS}
    if not (samples.dim() == 4 and samples.dtype == torch.uint8) and not (
        samples.dim() == 2 and samples.dtype == torch.float32
    ):
        raise ValueError(f"samples of shape {tuple(samples.shape)} and type {samples.dtype}")
    for name, indices in splits.items():
        if len(indices) < 2 or int(indices.min()) < 0 or int(indices.max()) >= len(samples):
            raise ValueError(f"split {name} does not fit")
    if labels is not None and labels.shape != (len(samples),):
        raise ValueError("labels do not fit")
    return Dataset(
        words["name"],
        samples,
        splits,
        labels,
        tuple(words["classes"]),
        _modes(tensors["modes"], words) if "modes" in tensors else None,
        words["description"],
        words["licence"],
        tuple(words["notes"]),
        words["content"],
        files=tuple(words.get("files", ())),
        mapped=mapped,
    )


def _modes(centers: Tensor, words: dict[str, Any]) -> Modes:
    return Modes(centers, words["radius"], words.get("digits", False))
