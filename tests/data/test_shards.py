"""Tar shards as WebDataset writes them, and those that something is wrong with."""

import io
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import webdataset
from PIL import Image

import sparring
from helpers import QUICK, THIN, Command, words_of
from sparring.data import open_data
from sparring.errors import InputError
from sparring.recipe import Data

RNG = np.random.default_rng(0)
COUNT, EACH = 60, 20


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return RNG.integers(0, 256, (COUNT, 16, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, images: np.ndarray) -> Path:
    """Three shards of twenty images with labels, written by the library itself."""
    folder = tmp_path_factory.mktemp("shards")
    pattern = str(folder / "set-%06d.tar")
    with webdataset.ShardWriter(pattern, maxcount=EACH, verbose=0) as writer:
        for index, image in enumerate(images):
            cell = {"png": image, "cls": index % 11, "json": {"index": index}}
            writer.write({"__key__": f"{index:05d}", **cell})
    return folder


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("form", ["folder", "braces", "one"])
def test_what_was_written_comes_back(shards: Path, images: np.ndarray, form: str) -> None:
    name = {
        "folder": shards,
        "braces": shards / "set-{000000..000002}.tar",
        "one": shards / "set-000001.tar",
    }[form]
    dataset = open_data(Data(name=str(name)))
    wanted = images[EACH : 2 * EACH] if form == "one" else images
    assert np.array_equal(dataset.values.numpy(), wanted.transpose(0, 3, 1, 2))
    assert dataset.classes == tuple(map(str, range(11)))
    labels = torch.arange(COUNT) % 11
    assert torch.equal(dataset.labels, labels[EACH : 2 * EACH] if form == "one" else labels)
    assert f"{len(wanted)} other files passed over" in dataset.notes


def test_it_trains_and_is_audited(shards: Path, tmp_path: Path, command: Command) -> None:
    out = ["--out", str(tmp_path / "run"), "--json"]
    answer = command("train", "digits", "--data", str(shards), *words_of(QUICK | THIN), *out)
    assert answer.code == 0, answer.stderr
    assert sparring.audit(shards)["problems"] == []
    answer = sparring.audit(shards, fix=tmp_path / "copy")
    assert answer["fixed"]["samples"] == COUNT
    again = sparring.audit(tmp_path / "copy")
    assert again["classes"] == answer["classes"]


def test_folders_in_a_shard_are_classes(tmp_path: Path, images: np.ndarray) -> None:
    members = {f"./{'ab'[i % 2]}/{i}.png": png(image) for i, image in enumerate(images)}
    dataset = open_data(Data(name=str(write_tar(tmp_path / "s.tar", members))))
    assert dataset.classes == ("a", "b")
    assert dataset.labels.bincount().tolist() == [30, 30]


def test_labels_that_not_all_have_are_none(tmp_path: Path, images: np.ndarray) -> None:
    members = {f"{i:03}.png": png(image) for i, image in enumerate(images)} | {"003.cls": b"1"}
    dataset = open_data(Data(name=str(write_tar(tmp_path / "s.tar", members))))
    assert dataset.labels is None
    assert "59 images without .cls: no classes" in dataset.notes


def test_damaged_members_and_links_are_counted(tmp_path: Path, images: np.ndarray) -> None:
    members = {f"{i:03}.png": png(image) for i, image in enumerate(images[:20])}
    members |= {"020.png": b"no image", "021.png": b"", ".hidden.png": b"", "x.txt": b"words"}
    path = write_tar(tmp_path / "s.tar", members)
    with tarfile.open(path, "a") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            entry = tarfile.TarInfo("link.png")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
    dataset = open_data(Data(name=str(path)))
    assert len(dataset.values) == 20
    assert "1 of 22 left out, empty (s/021.png)" in dataset.notes
    assert "1 of 22 left out, cannot be read as an image (s/020.png)" in dataset.notes
    assert "2 links in shards passed over" in dataset.notes
    assert "1 other files passed over" in dataset.notes


@pytest.mark.parametrize("damage", ["cut", "header"])
def test_of_a_damaged_shard_the_rest_is_told(
    tmp_path: Path, images: np.ndarray, damage: str
) -> None:
    members = {f"{i:03}.png": png(image) for i, image in enumerate(images[:40])}
    path = write_tar(tmp_path / "s.tar", members)
    with tarfile.open(path) as archive:
        place = archive.getmember("030.png")
    if damage == "cut":
        with path.open("r+b") as file:
            file.truncate(place.offset_data + 100)
    else:
        with path.open("r+b") as file:
            file.seek(place.offset)
            file.write(b"\xff" * 512)
    dataset = open_data(Data(name=str(path)))
    assert len(dataset.values) == 30
    assert any(note.startswith("s.tar can be read in part only") for note in dataset.notes)


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/../../x.png", "C:/x.png"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    path = write_tar(tmp_path / "s.tar", {name: b"x"})
    with pytest.raises(InputError, match="leads out of the archive"):
        open_data(Data(name=str(path)))


def test_bombs_are_not_read(tmp_path: Path, images: np.ndarray) -> None:
    """A member of a terabyte, which is a hole in the file; an image of gigapixels."""
    members = {f"{i:03}.png": png(image) for i, image in enumerate(images[:20])}
    huge = bytearray(png(images[0]))
    huge[16:24] = (100_000).to_bytes(4, "big") * 2
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
    path = write_tar(tmp_path / "s.tar", members | {"huge.png": bytes(huge)})
    with tarfile.open(path) as archive:
        end = archive.offset if archive.getmembers() else 0
    entry = tarfile.TarInfo("z.png")
    entry.size = 1 << 40
    with path.open("r+b") as file:
        file.truncate(end)
        file.seek(end)
        file.write(entry.tobuf())
        file.truncate(end + 512 + entry.size)
    dataset = open_data(Data(name=str(path)))
    assert len(dataset.values) == 20
    assert any("over 100 megapixels" in note for note in dataset.notes)


def test_what_is_not_there(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 of 5 shards are not there"):
        open_data(Data(name=str(shards / "set-{000000..000004}.tar")))
    with pytest.raises(InputError, match="names 1,000,000 shards"):
        open_data(Data(name=str(shards / "set-{000000..999999}.tar")))
    empty = write_tar(tmp_path / "e.tar", {"a.txt": b"x"})
    with pytest.raises(InputError, match="holds no images"):
        open_data(Data(name=str(empty)))
    (tmp_path / "no.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(InputError, match=r"no\.tar can be read in part only"):
        open_data(Data(name=str(tmp_path / "no.tar")))
