"""Stacked digits: every channel is a digit of the right split, and the label says which."""

from pathlib import Path

import pytest
import torch

from sparring.data import Dataset, open_data, write_packed
from sparring.errors import InputError
from sparring.metrics import Comparison
from sparring.metrics.modes import modes, nearest_modes
from sparring.recipe import Data


@pytest.fixture(scope="module", params=[2, 3])
def stacked(request: pytest.FixtureRequest) -> Dataset:
    return open_data(Data(name="stacked-mnist", digits=request.param))


def test_channels_are_digits_of_the_right_split(stacked: Dataset) -> None:
    digits = open_data(Data())
    assert stacked.modes is not None
    assert stacked.labels is not None
    count = stacked.modes.centers.shape[1]
    assert stacked.shape == (3, 28, 28)
    assert len(stacked.classes) == len(stacked.modes) == 10**count
    for name, size in (("train", 25_600), ("select", 5_000), ("test", 5_000)):
        assert len(stacked.splits[name]) == size
        own = {image.numpy().tobytes(): place for place, image in enumerate(digits.split(name))}
        labels = digits.split_labels(name)
        assert labels is not None
        for place in range(0, size, 500):
            image = stacked.values[stacked.splits[name][place]]
            read = [int(labels[own[image[k].numpy().tobytes()]]) for k in range(count)]
            label = int(stacked.labels[stacked.splits[name][place]])
            assert stacked.classes[label] == "-".join(map(str, read))
            assert stacked.modes.centers[label].tolist() == read
    assert (stacked.values[:, count:] == 0).all()
    frequencies = stacked.labels.bincount(minlength=10**count).double() / len(stacked.labels)
    assert frequencies.min() > 0
    again = open_data(Data(name="stacked-mnist", digits=count))
    assert again.fingerprint == stacked.fingerprint


def test_the_classifier_finds_the_modes(stacked: Dataset) -> None:
    labels = stacked.split_labels("test")
    assert labels is not None
    index, good = nearest_modes(stacked.split("test")[:500], stacked)
    assert (index == labels[:500]).double().mean() > 0.9
    assert good.double().mean() > 0.9
    one = stacked.split("test")[:1].expand(50, -1, -1, -1)
    estimate = modes(Comparison(one, one, one, stacked))
    assert estimate.value == 1
    assert estimate.more["kl"] == pytest.approx(torch.tensor(len(stacked.modes or ())).log().item())
    assert "a perfect generator would cover" in estimate.flags[2]


def test_its_size_may_change_and_its_channels_not() -> None:
    large = open_data(Data(name="stacked-mnist", digits=2, size=32))
    assert large.shape == (3, 32, 32)
    labels = large.split_labels("test")
    assert labels is not None
    index, _ = nearest_modes(large.split("test")[:200], large)
    assert (index == labels[:200]).double().mean() > 0.9
    with pytest.raises(InputError, match="modes of data `stacked-mnist` are in its 3 channels"):
        open_data(Data(name="stacked-mnist", channels=1))
    with pytest.raises(InputError, match=r"data\.digits has no meaning for data `mnist5k`"):
        open_data(Data(digits=2))


def test_packing_keeps_what_its_modes_are(stacked: Dataset, tmp_path: Path) -> None:
    write_packed(stacked, tmp_path / "s.safetensors")
    again = open_data(Data(name=str(tmp_path / "s.safetensors")))
    assert again.modes is not None
    assert again.modes.are_digits
    index, _ = nearest_modes(again.split("test")[:50], again)
    assert torch.equal(index, nearest_modes(stacked.split("test")[:50], stacked)[0])
