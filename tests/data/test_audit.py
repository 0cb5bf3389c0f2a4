"""The audit of a data set: every kind of problem is found where it is, and nowhere else."""

import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFilter

import sparring
from helpers import Command, samples_of
from sparring.data import open_data, write_packed
from sparring.data.twins import near_twins, same_twins
from sparring.errors import InputError
from sparring.recipe import Data

RNG = np.random.default_rng(0)


def picture(width: int = 48, height: int = 48) -> Image.Image:
    """A colourful picture of shapes and a little grain, no two alike."""
    coarse = RNG.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    array = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.NEAREST))
    grain = RNG.normal(0, 6, array.shape)
    return Image.fromarray((array + grain).clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures of each of two kinds."""
    folder = tmp_path_factory.mktemp("clean")
    for kind in ("cats", "dogs"):
        (folder / kind).mkdir()
        for number in range(30):
            picture().save(folder / kind / f"{number:02}.png")
    return folder


@pytest.fixture
def bad(clean: Path, tmp_path: Path) -> Path:
    """The same with one image of each problem, in true formats."""
    folder = tmp_path / "bad"
    for path in sorted(clean.rglob("*.png")):
        copy = folder / path.relative_to(clean)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    cats = folder / "cats"
    buffer = BytesIO()
    picture().save(buffer, "JPEG")
    (cats / "a-half.jpg").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    (cats / "a-text.png").write_text("no image")
    (cats / "a-empty.webp").write_bytes(b"")
    picture(10, 12).save(cats / "b-tiny.png")
    picture(200, 50).save(cats / "c-long.bmp")
    Image.new("RGB", (48, 48), (250, 250, 250)).save(cats / "d-blank.png")
    picture().filter(ImageFilter.GaussianBlur(4)).save(cats / "e-soft.png")
    with Image.open(cats / "00.png") as first:
        first.save(cats / "f-same.bmp")  # the same pixels in another format
    with Image.open(cats / "01.png") as second:
        larger = second.resize((96, 96), Image.Resampling.BICUBIC)
        ImageEnhance.Brightness(larger).enhance(0.8).save(cats / "g-near.jpg", quality=80)
    return folder


FOUND = {
    "corrupt": ["a-empty.webp", "a-half.jpg", "a-text.png"],
    "tiny": ["b-tiny.png"],
    "odd-shape": ["c-long.bmp"],
    "blank": ["d-blank.png"],
    "blurred": ["e-soft.png"],
    "exact-duplicate": ["f-same.bmp = cats/00.png"],
    "near-duplicate": ["g-near.jpg ~ cats/01.png"],
}


def by_code(answer: dict[str, Any]) -> dict[str, Sequence[str]]:
    """The examples of each kind of problem, whose number is told too."""
    assert all(one["count"] >= len(one["examples"]) > 0 for one in answer["problems"])
    return {one["code"]: one["examples"] for one in answer["problems"]}


def test_of_a_clean_folder_nothing_is_said(clean: Path) -> None:
    answer = sparring.audit(clean)
    assert answer == {
        "samples": 60,
        "shape": [3, 48, 48],
        "classes": {"cats": 30, "dogs": 30},
        "problems": [],
    }


def test_every_problem_is_found_and_nothing_else(bad: Path) -> None:
    answer = sparring.audit(bad)
    assert (answer["samples"], answer["shape"]) == (66, [3, 48, 48])
    found = by_code(answer)
    for code, names in FOUND.items():
        assert [name.partition(": ")[0] for name in found.pop(code)] == [
            f"cats/{name}" for name in names
        ]
    assert set(found) <= {"held-out-duplicate"}  # where the draw of the splits parts the twins


def test_a_copy_without_them_is_written_and_the_original_left_alone(
    bad: Path, tmp_path: Path
) -> None:
    def contents(folder: Path) -> dict[str, bytes]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    before = contents(bad)
    answer = sparring.audit(bad, fix=tmp_path / "fixed")
    assert answer["fixed"] == {"path": str(tmp_path / "fixed"), "samples": 60}
    assert contents(bad) == before
    assert contents(tmp_path / "fixed") == {
        name: content for name, content in before.items() if Path(name).stem.isdecimal()
    }
    assert sparring.audit(tmp_path / "fixed")["problems"] == []


def test_what_must_not_be_overwritten(clean: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "link").symlink_to(clean)
    for target, words in (
        (tmp_path / "full", "not empty"),
        (tmp_path / "full" / "file", "not empty"),
        (clean / "fixed", "lies in the data"),
        (tmp_path / "link" / "fixed", "lies in the data"),
        (clean, "not empty"),
    ):
        with pytest.raises(InputError, match=words):
            sparring.audit(clean, fix=target)
    assert not (clean / "fixed").exists()


def test_links_are_not_followed_out(clean: Path, tmp_path: Path) -> None:
    folder = tmp_path / "linked"
    folder.mkdir()
    for path in sorted((clean / "cats").iterdir())[:12]:
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "outside.png").symlink_to(clean / "dogs" / "00.png")
    answer = sparring.audit(folder, fix=tmp_path / "fixed")
    assert answer["fixed"]["samples"] == 12
    assert not (tmp_path / "fixed" / "outside.png").exists()


def test_zips_and_their_copies(bad: Path, tmp_path: Path) -> None:
    archive = tmp_path / "bad.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        for path in sorted(bad.rglob("*.*")):
            writer.write(path, path.relative_to(bad))
    answer = sparring.audit(archive, fix=tmp_path / "fixed")
    whole = sparring.audit(bad)
    assert answer | {"fixed": None} == whole | {"fixed": None}
    assert sparring.audit(tmp_path / "fixed")["samples"] == 60


@pytest.mark.parametrize("form", ["npz", "safetensors"])
def test_arrays_and_their_copies(tmp_path: Path, form: str) -> None:
    images = np.stack([np.asarray(picture(24, 24)).transpose(2, 0, 1) for _ in range(40)])
    labels = np.arange(40) % 2
    images[7] = images[3]
    images[9] = 255
    path = tmp_path / "set.npz"
    np.savez(path, samples=images, labels=labels)
    if form == "safetensors":
        write_packed(open_data(Data(name=str(path))), tmp_path / "set.safetensors")
        path = tmp_path / "set.safetensors"
    answer = sparring.audit(path, fix=tmp_path / "fixed")
    found = by_code(answer)
    assert found["exact-duplicate"] == ["#7 = #3"]
    assert found["blank"] == ["#9"]
    assert set(found) <= {"exact-duplicate", "blank", "held-out-duplicate"}
    again = sparring.audit(tmp_path / "fixed")
    assert (again["samples"], again["classes"]) == (38, {"0": 20, "1": 18})


def test_twins_across_training_and_held_out_samples() -> None:
    images = torch.from_numpy(
        np.stack([np.asarray(picture(16, 16)).transpose(2, 0, 1) for _ in range(40)])
    )
    dataset = samples_of(images)
    trained, held = dataset.splits["train"], dataset.splits["test"]
    images[held[1]] = images[trained[5]]
    from sparring.data.survey import survey_arrays

    problems = {one.code: one for one in survey_arrays(dataset).problems}
    assert problems["held-out-duplicate"].places == (int(held[1]),)


def test_vectors_and_rare_classes(tmp_path: Path) -> None:
    values = RNG.normal(size=(200, 3)).astype(np.float32)
    values[100] = values[4]
    labels = np.repeat([0, 1], [190, 10])
    np.savez(tmp_path / "v.npz", samples=values, labels=labels)
    answer = sparring.audit(tmp_path / "v.npz", fix=tmp_path / "fixed")
    found = by_code(answer)
    assert found["exact-duplicate"] == ["#100 = #4"]
    assert found["class-imbalance"] == ["1: 10, the largest has 190"]
    assert len(np.load(tmp_path / "fixed" / "v.npz")["samples"]) == 199


def test_the_bundled_digits_are_clean() -> None:
    assert sparring.audit("mnist5k")["problems"] == []


def test_twins_belong_to_the_first_one() -> None:
    assert same_twins({0: "a", 3: "b", 5: "a", 7: "a", 9: "b"}) == {5: 0, 7: 0, 9: 3}
    one = RNG.integers(0, 256, (32, 32)).astype(np.uint8)
    other = RNG.integers(0, 256, (32, 32)).astype(np.uint8)
    darker = (one * 0.7).astype(np.uint8)
    lighter = (one * 0.5 + 90).astype(np.uint8)
    pictures = {0: other, 1: one, 2: darker, 3: one, 4: lighter}
    assert near_twins(pictures, same={3: 1}) == {2: 1, 4: 1}


def test_the_command(bad: Path, clean: Path, tmp_path: Path, command: Command) -> None:
    answer = command("data", "audit", str(bad), "--fix", str(tmp_path / "fixed"), "--json")
    assert answer.code == 0
    assert list(answer.value) == ["samples", "shape", "classes", "problems", "fixed"]
    answer = command("data", "audit", str(clean))
    assert answer.stdout == "60 samples of 3x48x48 in 2 classes\nno problems found\n"
    answer = command("data", "audit", str(bad))
    assert "corrupt: 3\n    cats/a-empty.webp: it is empty\n" in answer.stdout
    answer = command("data", "audit", "nowhere", "--json")
    assert (answer.code, answer.value["error"]["code"]) == (2, "input")
