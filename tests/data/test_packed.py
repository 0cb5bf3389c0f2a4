"""One-file data sets: what goes in comes out, memory-mapped, and nothing else is believed."""

import json
import struct
from pathlib import Path

import pytest
import torch

import sparring.api
from sparring.data import Dataset, open_data, write_packed
from sparring.data.fit import fit_to_data
from sparring.data.resize import bring_to
from sparring.errors import InputError
from sparring.recipe import Data
from sparring.recipes import load_recipe


@pytest.mark.parametrize("name", ["mnist5k", "patterns", "ring"])
def test_round_trip(tmp_path: Path, name: str) -> None:
    dataset = open_data(Data(name=name))
    write_packed(dataset, tmp_path / "d.safetensors")
    again = open_data(Data(name=str(tmp_path / "d.safetensors")))
    assert torch.equal(again.values, dataset.values)
    assert again.labels is not None
    assert dataset.labels is not None
    assert torch.equal(again.labels, dataset.labels)
    assert all(torch.equal(again.splits[split], dataset.splits[split]) for split in dataset.splits)
    assert (again.classes, again.licence) == (dataset.classes, dataset.licence)
    assert again.fingerprint == dataset.fingerprint
    assert (again.modes is None) == (dataset.modes is None)


def test_samples_stay_on_the_disk(tmp_path: Path) -> None:
    """Only the pages that are looked at are read: most of a large file is not in memory."""
    count = 200_000
    split = torch.arange(2)
    dataset = Dataset(
        "large",
        torch.zeros(count, 1, 16, 16, dtype=torch.uint8),
        {"train": split, "select": split, "test": split},
    )
    write_packed(dataset, tmp_path / "d.safetensors")
    del dataset

    def resident() -> int:
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * 4096

    before = resident()
    again = open_data(Data(name=str(tmp_path / "d.safetensors")))
    assert again.values[torch.tensor([5, count - 1])].sum() == 0
    assert resident() - before < count * 256 // 4


def test_pack_command(tmp_path: Path) -> None:
    answer = sparring.api.pack("mnist5k", tmp_path / "d.safetensors", size=16)
    assert answer["samples"] == 5000
    assert answer["shape"] == [1, 16, 16]
    with pytest.raises(InputError, match="exists already"):
        sparring.api.pack("mnist5k", tmp_path / "d.safetensors")
    with pytest.raises(InputError, match=r"does not end in \.safetensors"):
        sparring.api.pack("mnist5k", tmp_path / "d.npz")


def damaged(whole: bytes, change: str) -> bytes:
    size = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8 : 8 + size])
    words = json.loads(header["__metadata__"]["words"])
    if change == "half":
        return whole[: len(whole) // 2]
    if change == "format":
        header["__metadata__"]["format"] = "other"
    if change == "words":
        del words["classes"]
    if change == "split":
        body = bytearray(whole)
        start = 8 + size + header["train"]["data_offsets"][0]
        body[start : start + 8] = struct.pack("<q", 10**9)
        return bytes(body)
    header["__metadata__"]["words"] = json.dumps(words)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + whole[8 + size :]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("half", "is damaged"),
        ("format", "is no packed data"),
        ("words", "is damaged"),
        ("split", "is damaged"),
    ],
)
def test_damaged_files(tmp_path: Path, change: str, message: str) -> None:
    write_packed(open_data(Data(name="patterns")), tmp_path / "d.safetensors")
    whole = (tmp_path / "d.safetensors").read_bytes()
    (tmp_path / "e.safetensors").write_bytes(damaged(whole, change))
    with pytest.raises(InputError, match=message):
        open_data(Data(name=str(tmp_path / "e.safetensors")))


def test_arrays_are_brought_to_a_size() -> None:
    digits = open_data(Data())
    small = open_data(Data(size=14))
    wanted = torch.nn.functional.avg_pool2d(digits.values[:200].float(), 2)
    assert small.shape == (1, 14, 14)
    assert (small.values[:200].float() - wanted).abs().mean() < 8
    assert small.fingerprint != digits.fingerprint
    colour = open_data(Data(channels=3))
    assert torch.equal(colour.values[:, 1], digits.values[:, 0])
    assert torch.equal(bring_to(colour, None, 1).values, digits.values)


def test_arrays_that_are_not_square_lose_their_sides() -> None:
    values = torch.arange(10 * 6 * 8).view(10, 1, 6, 8).to(torch.uint8)
    split = torch.arange(10)
    wide = Dataset("wide", values, {"train": split, "select": split, "test": split})
    assert torch.equal(bring_to(wide, None, None).values, values[..., 1:7])


def test_known_modes_keep_their_size() -> None:
    with pytest.raises(InputError, match="known modes"):
        open_data(Data(name="patterns", size=16))


@pytest.mark.parametrize("key", ["size", "channels", "flip"])
def test_vectors_have_no_size(key: str) -> None:
    with pytest.raises(InputError, match="holds vectors"):
        open_data(Data.model_validate({"name": "ring", key: 1}))


@pytest.mark.parametrize(
    ("count", "batch", "steps"), [(100, 16, 20_000), (3000, 64, 5000), (10**6, 64, 40_000)]
)
def test_batch_and_length_follow_the_data(count: int, batch: int, steps: int) -> None:
    recipe = load_recipe("dcgan")
    every = torch.arange(count)
    values = torch.zeros(1, 1, 8, 8, dtype=torch.uint8).expand(count, -1, -1, -1)
    dataset = Dataset("d", values, {"train": every})
    notes = fit_to_data(recipe, dataset, set())
    assert (recipe.batch_size, recipe.steps) == (batch, steps)
    assert len(notes) == (2 if batch == 64 else 3)
    planned = load_recipe("dcgan")
    evaluations = planned.steps * planned.batch_size / planned.evaluation.every
    assert recipe.steps * recipe.batch_size / recipe.evaluation.every == evaluations
    assert (
        fit_to_data(recipe, Dataset("d", values, {"train": every}), {"steps", "batch_size"}) == []
    )


def test_a_file_that_is_deleted_is_read_on_and_one_that_is_cut_is_not(tmp_path: Path) -> None:
    """Reading beyond its end would end the process."""
    path = tmp_path / "d.safetensors"
    write_packed(open_data(Data(name="mnist5k")), path)
    kept, cut = (open_data(Data(name=str(path))) for _ in range(2))
    last = torch.tensor([4999])
    before = cut.rows(last)
    with path.open("r+b") as file:
        file.truncate(10_000)
    for dataset in (kept, cut):
        with pytest.raises(InputError, match=r"`.*d.safetensors` was changed while it was being"):
            dataset.rows(last)
        with pytest.raises(InputError, match="was changed"):
            dataset.split("test")
    write_packed(open_data(Data(name="mnist5k")), path)
    again = open_data(Data(name=str(path)))
    path.unlink()
    assert torch.equal(again.rows(last), before)
