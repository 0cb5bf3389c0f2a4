"""Image-to-image sets: folders A and B, pictures side by side, inputs made of images."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.data import Dataset, maps, open_data
from sparring.errors import InputError
from sparring.recipe import Data

SPLITS = ("train", "select", "test")


def write(path: Path, level: int, size: tuple[int, int] = (16, 16), colour: bool = False) -> None:
    """A picture of one grey level, or orange of about that brightness."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fill = (min(level + 40, 255), level, 0) if colour else level
    Image.new("RGB" if colour else "L", size, fill).save(path)


def opened(path: Path, inputs: str, **more: Any) -> Dataset:
    return open_data(Data.model_validate({"name": str(path), "inputs": inputs, **more}))


def belong(data: Dataset) -> bool:
    """Whether input and image of every pair have the level 2 k and 2 k + 1."""
    assert data.source is not None
    ends = [(data.source.split(name)[:, 0], data.split(name)[:, 0]) for name in SPLITS]
    return all(torch.equal(a[:, 0, 0] + 1, b[:, 0, 0]) for a, b in ends)


def test_pairs_are_found_by_name_whatever_else_is_there(tmp_path: Path) -> None:
    for k in range(40):
        write(tmp_path / "A" / f"{k}.png", 2 * k)
        write(tmp_path / "B" / f"{k}.bmp", 2 * k + 1)
    write(tmp_path / "A" / "alone.png", 250)
    (tmp_path / "B" / "7.bmp").write_bytes(b"damaged")
    data = opened(tmp_path, "edges")  # what the recipe does with other data
    assert data.pairs == SPLITS
    assert belong(data)
    assert sum(len(data.splits[name]) for name in SPLITS) == 39
    assert any("2 images without a partner" in note for note in data.notes)
    assert any("cannot be read" in note and "7.bmp" in note for note in data.notes)
    again = opened(tmp_path, "pairs")  # from the cache
    assert again.fingerprint == data.fingerprint
    assert data.fingerprint != data.turned.fingerprint
    assert data.turned.source is not None
    assert torch.equal(data.turned.source.values, data.values)


def test_published_folders_keep_their_test_part(tmp_path: Path) -> None:
    for part, names in (("train", range(30)), ("test", range(30, 36))):
        for k in names:
            write(tmp_path / "facades" / f"{part}A" / f"{k}.png", 2 * k)
            write(tmp_path / "facades" / f"{part}B" / f"{k}.png", 2 * k + 1)
    data = opened(tmp_path, "pairs")
    assert belong(data)
    assert data.split("test")[:, 0, 0, 0].tolist() == list(range(61, 72, 2))
    zipped = Path(shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path / "facades"))
    assert torch.equal(opened(zipped, "pairs").split("test"), data.split("test"))


def test_unpaired_domains_may_differ_in_number_size_and_colour(tmp_path: Path) -> None:
    for k in range(20):
        write(tmp_path / "A" / f"a{k}.png", 200, size=(30, 20))
    for k in range(31):
        write(tmp_path / "B" / f"b{k}.png", 100, size=(12, 12), colour=True)
    for inputs in ("recoloured", "unpaired"):
        data = opened(tmp_path, inputs)
        assert data.source is not None
        assert data.pairs == ()
        assert data.shape == data.source.shape == (3, 12, 12)
        assert len(data.source.values) == 20
        assert len(data.values) == 31
    # The same for pairs: they keep their own channels.
    for k in range(20):
        write(tmp_path / "B" / f"a{k}.png", 100, size=(12, 12), colour=True)
    pairs = opened(tmp_path, "pairs")
    assert pairs.source is not None
    assert (pairs.source.shape, pairs.shape) == ((1, 12, 12), (3, 12, 12))
    assert any("differ in their proportions" in note for note in pairs.notes)


@pytest.mark.parametrize(("inputs", "first"), [("left", 0), ("right", 1)])
def test_pictures_side_by_side(tmp_path: Path, inputs: str, first: int) -> None:
    for k in range(24):
        both = np.full((16, 33), 2 * k, np.uint8)
        both[:, 16:] += 1
        (tmp_path / "train").mkdir(exist_ok=True)
        Image.fromarray(both).save(tmp_path / "train" / f"{k}.png")
    write(tmp_path / "train" / "tall.png", 9, size=(10, 30))
    data = opened(tmp_path, inputs, size=8)
    assert data.source is not None
    assert belong(data) or first
    assert (data.source.values % 2 == first).all()
    assert (data.values % 2 == 1 - first).all()
    assert any("taller than wide" in note for note in data.notes)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ("pairs", "has no folders A and B"),
        ("unpaired", "has no folders A and B"),
        ("sheared", "has no folders A and B"),
        ("small", "no small versions at 1/8"),
    ],
)
def test_what_a_folder_lacks_is_told(tmp_path: Path, inputs: str, words: str) -> None:
    for k in range(12):
        write(tmp_path / f"{k}.png", k)
    with pytest.raises(InputError, match=words):
        opened(tmp_path, inputs, factor=8, size=28 if inputs == "small" else None)


def test_too_few_pairs_and_other_data_are_refused(tmp_path: Path) -> None:
    for k in range(12):
        write(tmp_path / "A" / f"a{k}.png", k)
        write(tmp_path / "B" / f"b{k}.png", k)
    with pytest.raises(InputError, match="holds 0 pairs"):
        opened(tmp_path, "pairs")
    for name, inputs in (("ring", "edges"), ("mnist5k", "pairs"), ("mnist5k", "left")):
        with pytest.raises(InputError):
            open_data(Data.model_validate({"name": name, "inputs": inputs}))


@pytest.mark.parametrize("inputs", list(maps.UNPAIRED))
def test_no_pair_of_a_known_map_is_ever_shown(inputs: str) -> None:
    data = open_data(Data.model_validate({"inputs": inputs}))
    assert data.source is not None
    plain = open_data(Data())
    shown = {s: set(one.splits["train"].tolist()) for s, one in (("A", data.source), ("B", data))}
    assert not shown["A"] & shown["B"]
    assert shown["A"] | shown["B"] == set(plain.splits["train"].tolist())
    assert data.shape == data.source.shape
    change = maps.UNPAIRED[inputs]
    assert torch.equal(data.split("test"), change(plain.split("test")))  # there it is known
    assert torch.equal(
        data.source.split("test"), plain.split("test").expand(-1, data.shape[0], -1, -1)
    )


def test_small_inputs_are_means_of_even_areas_and_edges_lie_on_the_border() -> None:
    flat = torch.full((1, 3, 8, 8), 77, dtype=torch.uint8)
    assert torch.equal(maps.small(flat, 4), flat[..., :2, :2])
    square = torch.zeros(1, 1, 12, 12, dtype=torch.uint8)
    square[..., 3:9, 3:9] = 255
    drawn = maps.edges(square)[0, 0] == 0
    assert not drawn[5:7, 5:7].any()  # nothing inside
    assert not drawn[0].any()
    assert all(drawn[6, column].any() for column in (slice(2, 4), slice(8, 10)))
    assert drawn[6].sum() == 2  # one pixel wide
    assert not (maps.edges(flat) == 0).any()
    assert maps.edges(square.expand(-1, 3, -1, -1)).shape == (1, 1, 12, 12)


def test_the_maps_do_what_they_say() -> None:
    ramp = torch.arange(0, 256, 17, dtype=torch.uint8).view(1, 1, 1, 16).expand(1, 1, 16, 16)
    assert torch.equal(maps.inverted(maps.inverted(ramp)), ramp)
    colours = maps.recoloured(ramp)
    assert colours[0, :, 0, 0].tolist() == list(maps.DARK)
    assert colours[0, :, 0, -1].tolist() == list(maps.LIGHT)
    line = torch.zeros(1, 1, 15, 15, dtype=torch.uint8)
    line[..., 7] = 255
    top, bottom = (maps.sheared(line)[0, 0, row].float().argmax().item() for row in (1, 13))
    assert top - bottom == pytest.approx(maps.SHEAR * 12, abs=1)  # leans to the right
