"""Features of real data are computed once; what is kept is whole, bounded, and never trusted."""

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from helpers import samples_of, toy
from sparring.data import Dataset
from sparring.metrics import Scorer, kept
from sparring.metrics.extractor import Extractor
from sparring.metrics.kept import keep, read_kept, real_features


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path))
    return tmp_path / "features"


class Counted:
    """Features that count how many samples they were asked for."""

    def __init__(self, key: str = "doubled") -> None:
        self.seen = 0
        self.extractor = Extractor("doubled", "", "", self.double, key=key)

    def double(self, samples: Tensor) -> Tensor:
        self.seen += len(samples)
        return 2 * samples.float().flatten(1)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every extractor took long."""
    monkeypatch.setattr(kept, "WORTH", -1.0)


def images(seed: int = 0) -> Dataset:
    draw = torch.Generator().manual_seed(seed)
    return samples_of(torch.randint(0, 256, (50, 1, 4, 4), dtype=torch.uint8, generator=draw))


@pytest.mark.usefixtures("slow")
def test_features_are_computed_once_for_the_same_contents(folder: Path) -> None:
    counted = Counted()
    first = real_features(counted.extractor, images(), "all")
    assert counted.seen == 50
    assert torch.equal(first, 2 * images().values.flatten(1).double())
    again = real_features(counted.extractor, images(), "all")
    assert counted.seen == 50
    assert torch.equal(again, first)
    assert again.dtype == torch.float64
    # Anything else is computed: another split, other contents, another network.
    assert len(real_features(counted.extractor, images(), "test")) == 10
    real_features(counted.extractor, images(1), "all")
    assert counted.seen == 50 + 10 + 50
    other = Counted("tripled")
    real_features(other.extractor, images(), "all")
    assert other.seen == 50
    assert len(list(folder.iterdir())) == 4


@pytest.mark.usefixtures("slow")
def test_a_scorer_asks_for_them(folder: Path) -> None:
    counted = Counted()
    for _ in range(2):
        scorer = Scorer(images(), "test", extractor=counted.extractor)
        scorer.score(images().split("select"), ["fid", "memorization"])
    # The real samples of both splits once, the generated ones each time.
    assert counted.seen == 10 + 30 + 2 * 10


def test_of_a_large_training_set_no_features_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, digits = Counted(), images()
    made = digits.split("select")
    usual = Scorer(digits, "test", extractor=Counted().extractor).score(made, ["memorization"])
    monkeypatch.setattr("sparring.metrics.MOST_KEPT", 0)
    scorer = Scorer(digits, "test", extractor=counted.extractor)
    for _ in range(2):
        assert scorer.score(made, ["memorization"]) == usual
    # The training set each time, once.
    assert counted.seen == 10 + 2 * (30 + 10)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("harm", ["cut", "flipped", "emptied", "swapped"])
def test_a_damaged_file_is_made_again(folder: Path, harm: str) -> None:
    counted = Counted()
    first = real_features(counted.extractor, images(), "all")
    (path,) = folder.iterdir()
    content = bytearray(path.read_bytes())
    if harm == "flipped":
        content[-5] ^= 1
    if harm == "swapped":
        real_features(counted.extractor, images(), "test")
        content = bytearray(next(p for p in folder.iterdir() if p != path).read_bytes())
        counted.seen = 50
    cut = {"cut": content[:-3], "emptied": b""}
    path.write_bytes(cut.get(harm, content))
    assert torch.equal(real_features(counted.extractor, images(), "all"), first)
    assert counted.seen == 100
    real_features(counted.extractor, images(), "all")
    assert counted.seen == 100


def test_cheap_features_are_not_kept(folder: Path) -> None:
    for name in ("patterns", "ring"):
        Scorer(toy(name), "test")
    real_features(Counted().extractor, images(), "all")
    assert not folder.exists()


@pytest.mark.usefixtures("slow")
def test_what_has_no_key_is_not_kept(folder: Path) -> None:
    Scorer(images(), "test", "pixels")
    assert not folder.exists()


def test_numbers_that_need_double_precision_keep_it(folder: Path) -> None:
    exact = {"features": torch.tensor([[1 / 3]], dtype=torch.float64)}
    keep("thirds", exact)
    found = read_kept("thirds")
    assert found is not None
    assert torch.equal(found["features"], exact["features"])


def test_the_ones_unused_for_longest_make_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "LARGEST", 3 * 4500)
    for number in range(3):
        keep(str(number), {"features": torch.zeros(1000)})
    for age, path in enumerate(sorted(folder.iterdir())):
        os.utime(path, (age, age))
    assert read_kept("0") is not None  # just used
    for number in (3, 4):
        keep(str(number), {"features": torch.zeros(1000)})
    assert [read_kept(str(number)) is not None for number in (0, 3, 4)] == [True] * 3
    assert [read_kept(str(number)) for number in (1, 2)] == [None] * 2


@pytest.mark.usefixtures("slow")
def test_a_place_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "file"))
    assert len(real_features(Counted().extractor, images(), "all")) == 50
