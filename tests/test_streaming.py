"""Samples to disk as they are made: the same as in memory, whole or not there, few at a time."""

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import sparring
from helpers import Command
from sparring.errors import InputError
from sparring.streaming import write_archive, write_pictures

SHAPES = [(3, 8, 8), (1, 5, 7), (4,)]


def parts_of(samples: Tensor, size: int = 10) -> Iterator[tuple[Tensor, Tensor]]:
    for part in samples.split(size):
        yield part.clone(), torch.full((len(part),), 7)


def some(*shape: int) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    values = torch.randint(0, 256, shape, generator=draw)
    return values.to(torch.uint8) if len(shape) == 4 else values.float()


@pytest.mark.parametrize("shape", SHAPES)
def test_an_archive_is_what_numpy_would_have_written(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    samples = some(25, *shape)
    write_archive(parts_of(samples), 25, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as archive:
        assert archive["samples"].dtype == samples.numpy().dtype
        assert np.array_equal(archive["samples"], samples.numpy())
        assert archive["labels"].tolist() == [7] * 25
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


@pytest.mark.parametrize("shape", SHAPES[:2])
def test_pictures_are_named_by_their_seeds(tmp_path: Path, shape: tuple[int, ...]) -> None:
    samples = some(25, *shape)
    write_pictures(parts_of(samples), tmp_path / "x", seed=100)
    assert {path.name for path in (tmp_path / "x").iterdir()} == {
        f"{seed}.png" for seed in range(100, 125)
    }
    for index, sample in enumerate(samples):
        with Image.open(tmp_path / "x" / f"{100 + index}.png") as picture:
            array = np.asarray(picture)
        wanted = sample.numpy()
        assert np.array_equal(array, wanted[0] if len(wanted) == 1 else wanted.transpose(1, 2, 0))


def test_vectors_are_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="vectors"):
        write_pictures(parts_of(some(5, 4)), tmp_path / "x", seed=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["archive", "pictures"])
def test_few_samples_are_in_memory_at_a_time(tmp_path: Path, form: str) -> None:
    alive = weakref.WeakSet()
    most = 0

    def parts() -> Iterator[tuple[Tensor, Tensor]]:
        nonlocal most
        for _ in range(20):
            part = some(10, 3, 8, 8)
            alive.add(part)
            most = max(most, len(alive))
            yield part, torch.zeros(len(part), dtype=torch.long)

    if form == "archive":
        write_archive(parts(), 200, tmp_path / "x.npz")
    else:
        write_pictures(parts(), tmp_path / "x", seed=0)
    assert most <= 4


def test_what_fails_leaves_no_archive(tmp_path: Path) -> None:
    def parts() -> Iterator[tuple[Tensor, Tensor]]:
        yield from parts_of(some(10, 3, 8, 8))
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        write_archive(parts(), 25, tmp_path / "x.npz")
    assert not list(tmp_path.iterdir())


def test_the_command_writes_what_the_api_gives(
    images: Path, tmp_path: Path, command: Command
) -> None:
    wanted = sparring.sample(images, 1100, seed=5).numpy()  # more than are made at once
    for out in ("x.npz", "x"):
        words = ["--count", "1100", "--seed", "5", "--out", str(tmp_path / out)]
        assert command("sample", str(images), *words).code == 0
    assert np.array_equal(np.load(tmp_path / "x.npz")["samples"], wanted)
    for index in (0, 1023, 1024, 1099):
        with Image.open(tmp_path / "x" / f"{5 + index}.png") as picture:
            assert np.array_equal(np.asarray(picture), wanted[index, 0])
