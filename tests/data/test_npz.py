"""The user's own archives: what is read, and what is refused in words."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sparring.data import Dataset, open_data, read_samples
from sparring.errors import InputError
from sparring.recipe import Data

DRAW = np.random.default_rng(0)
GREY = DRAW.integers(0, 256, (50, 1, 12, 12), np.uint8)
COLOUR = DRAW.integers(0, 256, (50, 3, 8, 8), np.uint8)
VECTORS = DRAW.normal(size=(50, 4))
LABELS = np.arange(50) % 5


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def opened(path: Path) -> Dataset:
    return open_data(Data(name=str(path)))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (GREY, GREY),
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 2, 3, 1), COLOUR),
        (GREY[:, 0], GREY),
        (VECTORS, VECTORS.astype(np.float32)),
        (VECTORS.astype(np.float16), VECTORS.astype(np.float16).astype(np.float32)),
    ],
    ids=["NCHW grey", "NCHW", "NHWC", "NHW", "float64", "float16"],
)
def test_images_and_vectors_are_read(tmp_path: Path, array: Any, expected: Any) -> None:
    data = opened(saved(tmp_path / "mine.npz", samples=array))
    assert data.name == "mine"
    assert np.array_equal(data.values.numpy(), expected)
    assert data.values.dtype == (torch.float32 if array.ndim == 2 else torch.uint8)
    assert data.labels is None
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 40,
        "select": 5,
        "test": 5,
    }


def test_labels_and_compression(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "mine.npz", samples=GREY, labels=LABELS.astype(np.uint8))
    data = opened(tmp_path / "mine.npz")
    assert data.labels is not None
    assert data.labels.tolist() == LABELS.tolist()
    assert data.classes == ("0", "1", "2", "3", "4")


def test_labels_of_minus_one_mean_none(tmp_path: Path) -> None:
    """So `sparring sample` writes them where the generator knows no classes."""
    data = opened(saved(tmp_path / "mine.npz", samples=GREY, labels=np.full(50, -1)))
    assert data.labels is None
    assert data.classes == ()


def test_samples_alone_may_be_few(tmp_path: Path) -> None:
    path = saved(tmp_path / "few.npz", samples=GREY[:1], labels=np.array([-1]))
    assert read_samples(path).shape == (1, 1, 12, 12)


NOT_SUPPORTED = r"samples of shape .* are not supported"
BAD_ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "no samples": ({"images": GREY}, r"no array `samples` \(it has: images\)"),
    "float images": ({"samples": GREY / 255}, NOT_SUPPORTED),
    "four channels": ({"samples": np.zeros((50, 4, 8, 8), np.uint8)}, NOT_SUPPORTED),
    "whole numbers": ({"samples": np.zeros((50, 4), np.int64)}, NOT_SUPPORTED),
    "one number": ({"samples": np.float32(1)}, NOT_SUPPORTED),
    "text": ({"samples": np.array(["a"] * 50)}, NOT_SUPPORTED),
    "objects": ({"samples": np.array([{}] * 50)}, "cannot be read as npz"),
    "NaN": ({"samples": np.where(np.eye(50) > 0, np.nan, 0)}, "hold NaN or Inf"),
    "Inf": ({"samples": np.where(np.eye(50) > 0, np.inf, 0)}, "hold NaN or Inf"),
    "beyond float32": ({"samples": np.full((50, 2), 1e300)}, "hold NaN or Inf"),
    "too few": ({"samples": GREY[:9]}, "holds 9 samples"),
    "none": ({"samples": GREY[:0]}, "holds 0 samples"),
    "one image": ({"samples": GREY[:1]}, "holds 1 samples"),
    "labels too few": ({"samples": GREY, "labels": LABELS[:49]}, "labels of shape"),
    "labels of floats": ({"samples": GREY, "labels": LABELS / 2}, "labels of shape"),
    "labels below 0": ({"samples": GREY, "labels": LABELS - 1}, "labels of shape"),
    "labels one-hot": ({"samples": GREY, "labels": np.eye(50, dtype=int)}, "labels of shape"),
    "labels beyond sense": ({"samples": GREY, "labels": LABELS + 10**12}, "labels of shape"),
}


@pytest.mark.parametrize(("arrays", "message"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_what_does_not_fit_is_told(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = saved(tmp_path / "mine.npz", **arrays)
    with pytest.raises(InputError, match=message) as problem:
        opened(path)
    assert "mine" in problem.value.message
    assert problem.value.hint


def no_file(path: Path) -> None:
    pass


def a_folder(path: Path) -> None:
    path.mkdir()


def empty(path: Path) -> None:
    path.touch()


def text(path: Path) -> None:
    path.write_text("samples: 1, 2, 3")


def truncated(path: Path) -> None:
    saved(path, samples=GREY)
    os.truncate(path, path.stat().st_size // 2)


def flipped(path: Path) -> None:
    np.savez_compressed(path, samples=GREY)
    content = bytearray(path.read_bytes())
    content[200:400] = bytes(200)
    path.write_bytes(content)


def flipped_stored(path: Path) -> None:
    saved(path, samples=GREY)
    content = bytearray(path.read_bytes())
    content[1000] ^= 255
    path.write_bytes(content)


def not_an_array(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("samples", "hello")


def not_an_npy(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("samples.npy", "hello")


def claims_too_much(path: Path) -> None:
    """An archive of a few bytes whose header promises 10^15 of them."""
    header = io.BytesIO()
    shape = {"descr": "|u1", "fortran_order": False, "shape": (10**9, 1, 1000, 1000)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("samples.npy", header.getvalue() + bytes(100))


def a_bomb(path: Path) -> None:
    """A small file that says it unpacks to 60 GB: its directory entries are edited."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"{number}.npy", bytes(100))
    size = (3 << 30).to_bytes(4, "little")
    content = path.read_bytes()
    place = content.find(b"PK\x01\x02")
    while place >= 0:
        content = content[: place + 24] + size + content[place + 28 :]
        place = content.find(b"PK\x01\x02", place + 4)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_file, "does not exist"),
        (a_folder, "cannot be read as npz"),
        (empty, "cannot be read as npz"),
        (text, "cannot be read as npz"),
        (truncated, "cannot be read as npz"),
        (flipped, "cannot be read as npz"),
        (flipped_stored, "cannot be read as npz"),
        (not_an_array, "cannot be read as npz|not supported"),
        (not_an_npy, "cannot be read as npz"),
        (claims_too_much, "cannot be read as npz"),
        (a_bomb, "would unpack to 60 GB"),
    ],
)
def test_a_broken_file_is_told(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    path = tmp_path / "mine.npz"
    make(path)
    for read in (opened, read_samples):
        with pytest.raises(InputError, match=message) as problem:
            read(path)
        assert str(path) in problem.value.message
