"""Data sets known by name: files already on the machine, or torchvision's download."""

from __future__ import annotations

import gzip
import math
import os
import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparring.data.dataset import MAX_HELD_OUT, Dataset
from sparring.errors import InputError

IDX_FILES = [
    f"{part}-{what}-idx{rank}-ubyte"
    for part in ("train", "t10k")
    for what, rank in (("images", 3), ("labels", 1))
]
CIFAR_FOLDER = "cifar-10-batches-bin"
CIFAR_FILES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
CIFAR_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
FASHION_CLASSES = (
    *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
TIMEOUT = 30.0  # seconds without an answer from a download server


def data_home() -> Path:
    """Where downloads are kept: SPARRING_DATA, else in the user's cache."""
    chosen = os.environ.get("SPARRING_DATA")
    return Path(chosen) if chosen else cache_home() / "datasets"


def cache_home() -> Path:
    """What can be made again: SPARRING_CACHE, else XDG_CACHE_HOME/sparring or ~/.cache/sparring."""
    if chosen := os.environ.get("SPARRING_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sparring"


def mnist() -> Dataset:
    """MNIST: 70,000 handwritten digits, 28x28 grey (LeCun et al., 1998)."""
    return _from_idx(
        "mnist",
        "MNIST",
        ("dataset-mnist", "mnist"),
        tuple("0123456789"),
        "70,000 handwritten digits, 28x28 grey",
        "CC BY-SA 3.0 (MNIST, Y. LeCun and C. Cortes)",
    )


def fashion_mnist() -> Dataset:
    """Fashion-MNIST: 70,000 pictures of clothes, 28x28 grey (Xiao et al., 2017)."""
    return _from_idx(
        "fashion-mnist",
        "FashionMNIST",
        ("fashion-mnist",),
        FASHION_CLASSES,
        "70,000 pictures of clothes, 28x28 grey",
        "MIT (Zalando)",
    )


def cifar10() -> Dataset:
    """CIFAR-10: 60,000 photographs, 32x32 in colour (Krizhevsky, 2009), in its binary format.

    The pickled version is read by torchvision, which checks that it is the published one.
    """
    places = [data_home() / CIFAR_FOLDER, Path("data") / CIFAR_FOLDER]
    folder = next((place for place in places if _has(place, CIFAR_FILES)), None)
    if folder is None:
        for root in (data_home(), Path("data")):
            if (root / "cifar-10-batches-py").is_dir():
                return _cifar10_of_torchvision(root)
        folder = places[0]
        with _download("cifar10", folder, CIFAR_FILES):
            from torchvision.datasets.utils import download_and_extract_archive

            download_and_extract_archive(CIFAR_URL, str(data_home()), md5=CIFAR_MD5)
    images, labels = zip(*(_read_cifar(folder / name) for name in CIFAR_FILES), strict=True)
    return _with_own_test("cifar10", images, labels, 5, CIFAR_CLASSES, *_CIFAR_WORDS)


KNOWN: dict[str, Callable[[], Dataset]] = {
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "cifar10": cifar10,
}
_CIFAR_WORDS = (
    "60,000 photographs of ten classes, 32x32 in colour",
    "none stated (A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009)",
)


def _from_idx(
    name: str,
    torchvision_name: str,
    packaged: tuple[str, ...],
    classes: tuple[str, ...],
    description: str,
    licence: str,
) -> Dataset:
    """A data set of four IDX files, packed or not, wherever they are."""
    raw = Path(torchvision_name) / "raw"
    places = [data_home() / raw, data_home() / name, Path("data") / raw]
    places += [Path("/usr/share/datasets") / folder for folder in packaged]
    folder = next((place for place in places if _has(place, IDX_FILES)), None)
    if folder is None:
        folder = places[0]
        with _download(name, folder, [f"{file}.gz" for file in IDX_FILES]):
            from torchvision import datasets

            getattr(datasets, torchvision_name)(root=str(data_home()), download=True)
    arrays = {file: read_idx(_existing(folder, file)) for file in IDX_FILES}
    images = [arrays[file][:, None] for file in IDX_FILES if "images" in file]
    labels = [arrays[file].astype(np.int64) for file in IDX_FILES if "labels" in file]
    return _with_own_test(name, images, labels, 1, classes, description, licence)


def read_idx(path: Path) -> np.ndarray:
    """An array of bytes in the IDX format (a magic number, the sizes, the values), gzipped or not.

    Raises InputError where the file is damaged.
    """
    try:
        packed = path.read_bytes()
        content = gzip.decompress(packed) if path.suffix == ".gz" else packed
        if content[:3] != b"\0\0\x08":
            raise ValueError("it does not start as such a file does")
        sizes = np.frombuffer(content, ">i4", content[3], offset=4).tolist()
        start = 4 + 4 * len(sizes)
        if math.prod(sizes) != len(content) - start:
            raise ValueError(
                f"it promises {math.prod(sizes)} values, {len(content) - start} follow"
            )
        return np.frombuffer(content, np.uint8, offset=start).reshape(sizes).copy()
    except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
        raise InputError(f"`{path}` is damaged: {error}", "delete it, it is fetched anew") from None


def _read_cifar(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, 3, 32, 32] and labels [n]: records of a label byte and three planes."""
    content = np.fromfile(path, np.uint8)
    if len(content) == 0 or len(content) % 3073:
        raise InputError(
            f"`{path}` is damaged: {len(content)} bytes are no whole number of records of 3073",
            "delete its folder, it is fetched anew",
        )
    records = content.reshape(-1, 3073)
    labels = records[:, 0].astype(np.int64)
    if labels.max() > 9:
        raise InputError(
            f"`{path}` is damaged: a label of {labels.max()}",
            "delete its folder, it is fetched anew",
        )
    return records[:, 1:].reshape(-1, 3, 32, 32), labels


def _cifar10_of_torchvision(root: Path) -> Dataset:
    """The pickled version: torchvision unpickles only what has the published checksums."""
    from torchvision.datasets import CIFAR10

    try:
        parts: list[Any] = [CIFAR10(str(root), train=train) for train in (True, False)]
    except RuntimeError:
        raise InputError(
            f"`{root / 'cifar-10-batches-py'}` is not the published CIFAR-10",
            "delete it: it is fetched anew, in the binary format",
        ) from None
    images = [part.data.transpose(0, 3, 1, 2) for part in parts]
    labels = [np.array(part.targets) for part in parts]
    return _with_own_test("cifar10", images, labels, 1, CIFAR_CLASSES, *_CIFAR_WORDS)


def _with_own_test(
    name: str,
    images: Any,
    labels: Any,
    parts: int,
    classes: tuple[str, ...],
    description: str,
    licence: str,
) -> Dataset:
    """The published test part stays the test split; the end of the training part selects."""
    values = torch.from_numpy(np.ascontiguousarray(np.concatenate(images)))
    train = sum(len(part) for part in labels[:parts])
    held_out = max(2, min(train // 10, MAX_HELD_OUT))
    every: Tensor = torch.arange(len(values))
    return Dataset(
        name,
        values,
        {
            "train": every[: train - held_out],
            "select": every[train - held_out : train],
            "test": every[train:],
        },
        labels=torch.from_numpy(np.concatenate(labels)),
        classes=classes,
        description=description,
        licence=licence,
    )


def _has(folder: Path, files: list[str]) -> bool:
    return all((folder / file).is_file() or (folder / f"{file}.gz").is_file() for file in files)


def _existing(folder: Path, file: str) -> Path:
    plain = folder / file
    return plain if plain.is_file() else folder / f"{file}.gz"


@contextmanager
def _download(name: str, folder: Path, files: list[str]) -> Iterator[None]:
    """Bounds how long a silent server is waited for; says what to fetch where it fails."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else "no connection"
        raise InputError(
            f"data `{name}` is not on this machine and cannot be downloaded ({reason})",
            f"put these files into `{folder}`: {', '.join(files)}",
        ) from None
    finally:
        socket.setdefaulttimeout(before)
