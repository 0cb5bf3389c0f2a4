"""A classifier of the user's own classes as features: trained once, and told how good it is."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from helpers import samples_of, toy
from sparring.data import Dataset
from sparring.errors import InputError
from sparring.metrics import Scorer, trained
from sparring.metrics.features import find_extractor


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path))
    monkeypatch.setattr(trained, "FEWEST_SEEN", 4000)
    monkeypatch.setattr(trained, "EPOCHS", 5)
    return tmp_path / "features"


def stripes(size: int = 12, channels: int = 3, count: int = 200) -> Dataset:
    """Noise over stripes that lie down (class 0) or stand (class 1)."""
    draw = torch.Generator().manual_seed(size)
    labels = torch.randint(0, 2, (count,), generator=draw)
    wave = torch.arange(size).div(2, rounding_mode="floor").fmod(2) * 120
    lying = wave[:, None].expand(size, size)
    picture = torch.where(labels[:, None, None] == 0, lying, lying.T)
    noise = torch.randint(0, 130, (count, channels, size, size), generator=draw)
    return samples_of((picture[:, None] + noise).to(torch.uint8), labels)


def test_it_tells_classes_apart_and_says_how_well(folder: Path) -> None:
    data = stripes()
    found = find_extractor("trained", data)
    assert found.layer == "penultimate (64) of 2 classes, right on 100.0% of held-out images"
    assert (found.name, found.resize, found.flags) == ("trained", "none", ())
    scorer = Scorer(data, "test", "trained")
    lying = data.values[data.labels == 0]
    records = scorer.score(data.split("select"), ["fid", "is"]) | {
        "one": scorer.score(lying, ["fid"])["fid"]
    }
    assert records["fid"].value < records["one"].value / 3
    assert records["is"].value > 1.2
    assert records["fid"].layer == found.layer


def test_it_is_trained_once_for_the_same_data(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = stripes()
    first = find_extractor("trained", data)
    (path,) = folder.iterdir()

    def again(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    with monkeypatch.context() as patch:
        patch.setattr(trained, "train_classifier", again)
        second = find_extractor("trained", data)
        assert second.key == first.key
        assert second.layer == first.layer
        assert torch.equal(second(data.values), first(data.values))
        with pytest.raises(AssertionError, match="trained again"):
            find_extractor("trained", stripes(16))
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(AssertionError, match="trained again"):
            find_extractor("trained", data)
    assert find_extractor("trained", data).name == "trained"


@pytest.mark.parametrize(("size", "resize"), [(4, "none"), (70, "antialiased to 64x64")])
def test_any_size_and_channels(size: int, resize: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "FEWEST_SEEN", 100)
    data = stripes(size, channels=1, count=60)
    found = find_extractor("trained", data)
    assert found.resize == resize
    assert found(data.values).shape == (60, 64)


def test_a_classifier_that_guesses_is_flagged() -> None:
    data = stripes()
    assert data.labels is not None
    draw = torch.Generator().manual_seed(3)
    chance = (torch.rand(len(data.labels), generator=draw) < 0.1).long()
    guessed = Dataset("guessed", data.values, data.splits, chance)
    (flag,) = Scorer(guessed, "test", "trained").score(data.values, ["kid"])["kid"].flags
    assert flag.endswith("no better than guessing")


def test_work_is_bounded_for_large_images(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Tensor, int]] = []

    def noted(images: Tensor, labels: Tensor, epochs: int, **_: object) -> trained.Classifier:
        seen.append((images, epochs))
        return trained.Classifier(2, images.shape[1]).eval()

    monkeypatch.setattr(trained, "train_classifier", noted)
    monkeypatch.setattr(trained, "PIXELS", 64 * 64 * 50)
    find_extractor("trained", stripes(80, count=200))
    ((images, epochs),) = seen
    assert images.shape == (50, 3, 64, 64)
    assert epochs == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (samples_of((1, 8, 8)), "need labels of at least two classes"),
        (samples_of(torch.zeros(10, 1, 8, 8).byte(), torch.zeros(10).long()), "two classes"),
        (toy("ring"), "look at images, and data `ring` holds vectors"),
        (samples_of(torch.zeros(10, 1, 2, 2).byte(), torch.arange(10)), "4 pixels a side"),
    ],
)
def test_what_cannot_be_classified_is_told(data: Dataset, words: str) -> None:
    with pytest.raises(InputError, match=words) as problem:
        find_extractor("trained", data)
    assert "features=" in problem.value.hint
