"""Hugging Face data sets from folders, as the library itself writes them; nothing is downloaded."""

import io
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

import sparring
from helpers import QUICK, THIN, Command, words_of
from sparring.data import open_data
from sparring.data.hugging_face import _opened
from sparring.errors import InputError
from sparring.recipe import Data

COUNT = 40


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    _opened.cache_clear()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (COUNT, 16, 16, 3), dtype=np.uint8)


def rows(images: np.ndarray) -> datasets.Dataset:
    def png(image: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        return buffer.getvalue()

    columns = {
        "picture": [{"bytes": png(image), "path": None} for image in images],
        "kind": [index % 3 for index in range(len(images))],
    }
    kinds = datasets.ClassLabel(names=["cat", "dog", "eel"])
    features = datasets.Features({"picture": datasets.Image(), "kind": kinds})
    return datasets.Dataset.from_dict(columns, features=features)


def written(images: np.ndarray, folder: Path, form: str) -> Path:
    whole = rows(images)
    if form == "disk":
        whole.save_to_disk(str(folder))
    elif form == "splits":
        both = {"test": whole.select(range(5)), "train": whole}
        datasets.DatasetDict(both).save_to_disk(str(folder))
    elif form == "parquet":
        folder.mkdir()
        whole.to_parquet(str(folder / "train.parquet"))
    else:
        for index, image in enumerate(images):
            kind = folder / ["cat", "dog", "eel"][index % 3]
            kind.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(kind / f"{index:03}.png")
    return folder


@pytest.mark.parametrize("form", ["disk", "splits", "parquet", "images"])
def test_what_was_written_comes_back(images: np.ndarray, tmp_path: Path, form: str) -> None:
    folder = written(images, tmp_path / "set", form)
    dataset = open_data(Data(name=f"hf:{folder}"))
    order = sorted(range(COUNT), key=lambda i: i % 3) if form == "images" else range(COUNT)
    assert np.array_equal(dataset.values.numpy(), images[list(order)].transpose(0, 3, 1, 2))
    assert dataset.classes == ("cat", "dog", "eel")
    assert dataset.labels.tolist() == [index % 3 for index in order]
    assert dataset.fingerprint == open_data(Data(name=f"hf:{folder}")).fingerprint


def test_it_trains_and_is_audited(images: np.ndarray, tmp_path: Path, command: Command) -> None:
    name = f"hf:{written(images, tmp_path / 'set', 'disk')}"
    out = ["--out", str(tmp_path / "run"), "--json"]
    answer = command("train", "digits", "--data", name, *words_of(QUICK | THIN), *out)
    assert answer.code == 0, answer.stderr
    found = sparring.audit(name, fix=tmp_path / "copy")
    assert found["problems"] == []
    assert sparring.audit(tmp_path / "copy")["classes"] == found["classes"]


def test_what_cannot_be_opened(images: np.ndarray, tmp_path: Path) -> None:
    whole = rows(images)
    whole.remove_columns("picture").save_to_disk(str(tmp_path / "words"))
    with pytest.raises(InputError, match="no column of images"):
        open_data(Data(name=f"hf:{tmp_path / 'words'}"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="cannot be opened"):
        open_data(Data(name=f"hf:{tmp_path / 'empty'}"))


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError) as error:
        open_data(Data(name="hf:some/name"))
    assert "sparring[data]" in error.value.hint
