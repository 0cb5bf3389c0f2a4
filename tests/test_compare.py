"""evaluate on samples of any program, compare, and runs of several seeds."""

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sparring
from helpers import QUICK, THIN, Command, words_of
from sparring.comparison import points
from sparring.data import open_data
from sparring.errors import InputError
from sparring.metrics import Curve, Record
from sparring.recipe import Data
from sparring.scoring import Entry, differences

METRICS = ("fid", "kid", "precision")


def save_npz(path: Path, images: torch.Tensor) -> Path:
    np.savez(path, samples=images.numpy())
    return path


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same 300 real digits as an npz and as a folder, and inverted ones."""
    folder = tmp_path_factory.mktemp("samples")
    images = open_data(Data()).values[:300]
    (folder / "png").mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image[0].numpy()).save(folder / "png" / f"{index:03d}.png")
    return {
        "npz": save_npz(folder / "real.npz", images),
        "folder": folder / "png",
        "bad": save_npz(folder / "bad.npz", 255 - images),
    }


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three short runs of one recipe."""
    from sparring.repeats import train_seeds

    folder = tmp_path_factory.mktemp("seeds") / "runs"
    train_seeds(3, out=folder, overrides=QUICK | THIN)
    return folder


def test_a_folder_scores_as_its_npz(digits: dict[str, Path]) -> None:
    scores = [sparring.evaluate(digits[kind], "mnist5k", METRICS) for kind in ("npz", "folder")]
    assert scores[0] == scores[1]
    assert scores[0]["fid"]["split"] == "all"
    assert scores[0]["precision"]["value"] > 0.95


def test_a_folder_of_another_size_is_brought_to_that_of_the_data(tmp_path: Path) -> None:
    for index, image in enumerate(open_data(Data()).values[:20]):
        Image.fromarray(image[0].numpy()).resize((56, 56)).save(tmp_path / f"{index}.png")
    assert sparring.evaluate(tmp_path, "mnist5k", ["kid"])["kid"]["samples_fake"] == 20


def test_a_folder_needs_data_to_be_compared_with(digits: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="must be compared with something"):
        sparring.evaluate(digits["folder"])
    with pytest.raises(InputError, match="holds images, data `ring` vectors"):
        sparring.evaluate(digits["folder"], "ring")


def test_good_against_bad_is_beyond_chance_and_good_against_good_is_not(
    digits: dict[str, Path],
) -> None:
    answer = sparring.compare(digits["npz"], digits["folder"], digits["bad"], data="mnist5k")
    assert [entry["runs"] for entry in answer["entries"]] == [1, 1, 1]
    rows = {(Path(r["a"]).name, Path(r["b"]).name, r["metric"]): r for r in answer["differences"]}
    assert len(rows) == 6
    assert rows["real.npz", "png", "kid"]["difference"] == 0
    assert rows["real.npz", "png", "kid"]["beyond_chance"] is False
    assert rows["real.npz", "bad.npz", "kid"]["beyond_chance"] is True
    assert rows["real.npz", "bad.npz", "kid"]["difference"] < 0


def a_record(value: float, error: float | None) -> dict[str, Record]:
    return {"kid": Record(value, error, "f", "l", "none", 9, 9, 0, "test", [])}


def test_a_curve_is_drawn_with_recall_right_and_precision_up() -> None:
    curve = Curve(torch.tensor([0.0, 1.0, 1.0]), torch.tensor([1.0, 0.25, 0.25]))
    assert points(curve) == "100.0,100.0 25.0,0.0"


@pytest.mark.parametrize(("gap", "beyond"), [(1.9, False), (2.0, True)])
def test_intervals_of_single_runs_are_normal(gap: float, beyond: bool) -> None:
    error = 1 / math.sqrt(2)
    entries = [Entry("a", [a_record(gap, error)]), Entry("b", [a_record(0.0, error)])]
    (row,) = differences(entries)
    assert row["interval"] == pytest.approx([gap - 1.96, gap + 1.96])
    assert row["beyond_chance"] is beyond


def test_intervals_over_seeds_are_welchs() -> None:
    """For {1, 2, 3} and {5, 6, 7} both errors are 1/√3 and t has 4 degrees of freedom."""
    entries = [
        Entry(name, [a_record(value + shift, 0.01) for value in (1, 2, 3)])
        for name, shift in (("a", 0), ("b", 4))
    ]
    (row,) = differences(entries)
    half = 2.776 * math.sqrt(2 / 3)
    assert row["difference"] == -4
    assert row["interval"] == pytest.approx([-4 - half, -4 + half])
    assert row["beyond_chance"] is True


def test_without_errors_nothing_is_said_of_chance() -> None:
    entries = [Entry(name, [a_record(1.0, None)]) for name in "ab"]
    (row,) = differences(entries)
    assert row["interval"] is None
    assert row["beyond_chance"] is None


def test_seeds_are_runs_of_their_own_and_one_entry(seeds: Path, command: Command) -> None:
    assert sorted(path.name for path in seeds.iterdir()) == ["seed-0", "seed-1", "seed-2"]
    answer = command("compare", str(seeds), str(seeds / "seed-1"), "--samples", "50", "--json")
    assert answer.code == 0
    runs = [entry["runs"] for entry in answer.value["entries"]]
    assert runs == [3, 1]
    pooled, single = (entry["metrics"]["kid"] for entry in answer.value["entries"])
    assert pooled["value"] != single["value"]
    assert {"metric", "a", "b", "difference", "interval", "beyond_chance"} == set(
        answer.value["differences"][0]
    )


def test_samples_beside_a_run_are_compared_with_the_same_data(
    seeds: Path, digits: dict[str, Path]
) -> None:
    answer = sparring.compare(seeds / "seed-0", digits["npz"], samples=100)
    compared = [entry["metrics"]["kid"] for entry in answer["entries"]]
    for key in ("split", "samples_real", "features"):
        assert compared[0][key] == compared[1][key]
    assert compared[0]["split"] == "test"


def test_seeds_go_on_where_they_stopped(seeds: Path, command: Command) -> None:
    before = (seeds / "seed-0" / "history.jsonl").stat().st_mtime_ns
    (seeds / "seed-1" / "summary.json").unlink()
    words = ["--seeds", "4", "--resume", "--out", str(seeds), *words_of(QUICK | THIN)]
    answer = command("train", *words, "--json")
    assert answer.code == 0
    assert len(answer.value["runs"]) == 4
    assert answer.value["run"] == str(seeds)
    best = min(run["best"]["metrics"]["fid"]["value"] for run in answer.value["runs"])
    assert answer.value["best"]["metrics"]["fid"]["value"] == best
    assert (seeds / "seed-0" / "history.jsonl").stat().st_mtime_ns == before


@pytest.mark.parametrize("count", ["0", "-1", "100000"])
def test_senseless_numbers_of_seeds(count: str, command: Command) -> None:
    answer = command("train", "--seeds", count)
    assert answer.code == 2
    assert "choose from 1 to" in answer.stderr


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.cells = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attrs))
        self.cells += tag == "td"


def test_the_page_shows_samples_and_scores(digits: dict[str, Path], tmp_path: Path) -> None:
    page = tmp_path / "c.html"
    sparring.compare(digits["npz"], digits["bad"], data="mnist5k", html=page)
    tags = Tags(page.read_text())
    assert len(tags.images) == 2
    assert all(str(image["src"]).startswith("data:image/png") for image in tags.images)
    assert all(image["alt"] for image in tags.images)
    assert tags.cells == 2 * 3 + 2 * 5
    assert "http" not in page.read_text()
    curves = re.findall(r'<polyline points="([^"]+)"', page.read_text())
    best = re.findall(r"</sub> (\d\.\d{3})", page.read_text())
    assert len(curves) == 2
    assert [float(value) > 0.9 for value in best] == [True, True, False, False]


def test_text_says_what_is_beyond_chance(digits: dict[str, Path], command: Command) -> None:
    answer = command("compare", str(digits["npz"]), str(digits["bad"]), "--data", "mnist5k")
    assert answer.code == 0
    assert "beyond chance" in answer.stdout
    assert " ± " in answer.stdout
    assert command("compare", str(digits["npz"]), "--data", "mnist5k").code == 2
