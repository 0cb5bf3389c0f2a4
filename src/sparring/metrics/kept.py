"""What was computed once from contents that are known by a hash, on disk in SPARRING_CACHE."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sparring.data import Dataset
from sparring.data.known import cache_home
from sparring.metrics.extractor import Extractor

LARGEST = 4 * 2**30  # bytes of all files; the ones unused for longest are deleted first
WORTH = 1.0  # seconds of computing below which features are not kept
ROWS = 4096  # that are compared at a time
FORMAT = "1"  # raised when the same key would stand for other tensors


def real_features(extractor: Extractor, dataset: Dataset, split: str) -> Tensor:
    """Features [N, F] of a split ("all": of everything), computed once where that takes long."""
    rows = torch.arange(len(dataset.values)) if split == "all" else dataset.splits[split]
    key = f"features {extractor.key} {dataset.fingerprint} {split}" if extractor.key else ""
    found = read_kept(key) if key else None
    if found and len(features := found["features"]) == len(rows):
        return features.double()
    began = time.monotonic()
    features = extractor.of(dataset.parts(rows, extractor.part), len(rows))
    if key and time.monotonic() - began > WORTH:
        single = features.float()
        parts = zip(single.split(ROWS), features.split(ROWS), strict=True)
        same = all(torch.equal(a.double(), b) for a, b in parts)
        keep(key, {"features": single if same else features})
    return features


def read_kept(key: str) -> dict[str, Tensor] | None:
    """The tensors that were kept under a key; None where there are none, or damaged ones."""
    path = _path(key)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            whole = (file.metadata() or {}).get("digest") == digest_of(tensors)
        if whole:
            os.utime(path)
            return tensors
    except (SafetensorError, OSError):
        pass
    with suppress(OSError):
        path.unlink(missing_ok=True)
    return None


def keep(key: str, tensors: Mapping[str, Tensor]) -> None:
    """Keep tensors under a key; what cannot be written is computed again another time."""
    path = _path(key)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(dict(tensors), temporary, {"digest": digest_of(tensors), "key": key})
        temporary.replace(path)
        _make_room(path.parent)
    except (SafetensorError, OSError):
        with suppress(OSError):
            temporary.unlink()


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """A hash of the names, types, shapes and bytes of tensors."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _path(key: str) -> Path:
    name = hashlib.blake2b(f"{FORMAT} {key}".encode(), digest_size=16).hexdigest()
    return cache_home() / "features" / f"{name}.safetensors"


def _make_room(folder: Path) -> None:
    files = [(path.stat(), path) for path in folder.glob("*.safetensors")]
    files.sort(key=lambda file: file[0].st_mtime, reverse=True)
    room = LARGEST
    for stat, path in files:
        room -= stat.st_size
        if room < 0:
            path.unlink(missing_ok=True)
