"""Small data sets in the true formats of those that would have to be downloaded."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from sparring.data import known

CLASSES = 10
FOLDERS = {"MNIST": 28, "FashionMNIST": 28}


def write_small_sets(root: Path, count: int = 60) -> None:
    """MNIST, Fashion-MNIST and CIFAR-10 of `count` and fewer images of noise, as SPARRING_DATA."""
    rng = np.random.default_rng(0)
    for name, size in FOLDERS.items():
        raw = root / name / "raw"
        raw.mkdir(parents=True)
        for part, images in (("train", count), ("t10k", count // 2)):
            shape = (images, size, size)
            write_idx(raw / f"{part}-images-idx3-ubyte.gz", rng.integers(0, 256, shape))
            write_idx(raw / f"{part}-labels-idx1-ubyte.gz", np.arange(images) % CLASSES)
    folder = root / known.CIFAR_FOLDER
    folder.mkdir()
    for name in known.CIFAR_FILES:
        records = rng.integers(0, 256, (count, 1 + 3 * 32 * 32))
        records[:, 0] = np.arange(count) % CLASSES
        (folder / name).write_bytes(records.astype(np.uint8).tobytes())


def write_idx(path: Path, array: np.ndarray) -> None:
    """An array of bytes in the IDX format, gzipped."""
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes(), mtime=0))
