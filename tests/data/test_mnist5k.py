"""The bundled digits and what every data set has: splits, fingerprint, conversions."""

from dataclasses import replace
from importlib import resources

import pytest
import torch

from sparring.data import Dataset, data_names, open_data, to_network, to_samples
from sparring.data.dataset import split_by_draw
from sparring.errors import InputError
from sparring.recipe import Data

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return open_data(Data())


def test_the_digits_are_5000_grey_images_of_28_pixels(digits: Dataset) -> None:
    assert digits.name == "mnist5k"
    assert digits.values.shape == (5000, 1, 28, 28)
    assert digits.values.dtype == torch.uint8
    assert digits.is_images
    assert digits.shape == (1, 28, 28)
    assert digits.classes == tuple("0123456789")
    # White on black, and no two alike.
    assert 0.08 < digits.values.float().mean() / 255 < 0.2
    assert digits.values[:, 0, 0, 0].max() == 0
    assert len(digits.values.flatten(1).unique(dim=0)) == 5000
    assert "CC BY-SA" in digits.licence


def test_its_splits_are_disjoint_and_balanced(digits: Dataset) -> None:
    assert {name: len(split) for name, split in digits.splits.items()} == {
        "train": 4000,
        "select": 500,
        "test": 500,
    }
    together = torch.cat(list(digits.splits.values()))
    assert torch.equal(together.sort().values, torch.arange(5000))
    for name, split in digits.splits.items():
        labels = digits.split_labels(name)
        assert labels is not None
        assert torch.bincount(labels).tolist() == [len(split) // 10] * 10
        assert torch.equal(digits.split(name), digits.values[split])


def test_its_labels_are_right(digits: Dataset) -> None:
    """A nearest mean, learned on one split, knows most of another."""
    x = digits.values.float().flatten(1)
    assert digits.labels is not None
    train, test = digits.splits["train"], digits.splits["test"]
    means = torch.stack([x[train][digits.labels[train] == label].mean(0) for label in range(10)])
    right = torch.cdist(x[test], means).argmin(1) == digits.labels[test]
    assert right.float().mean() > 0.75


def test_the_asset_is_small() -> None:
    asset = resources.files("sparring.data") / "assets" / "mnist5k.npz"
    with resources.as_file(asset) as path:
        assert path.stat().st_size <= 1_200_000


def test_the_fingerprint_is_that_of_the_contents(digits: Dataset) -> None:
    assert digits.fingerprint == open_data(Data()).fingerprint
    assert len(digits.fingerprint) == 16
    pixel = digits.values.clone()
    pixel[4999, 0, 27, 27] += 1
    label = digits.labels.clone()
    label[0] = 9 - label[0]
    moved = digits.splits | {"test": digits.splits["select"], "select": digits.splits["test"]}
    others = [
        replace(digits, values=pixel),
        replace(digits, labels=label),
        replace(digits, labels=None),
        replace(digits, splits=moved),
        replace(digits, values=digits.values.view(5000, 1, 14, 56)),
    ]
    assert len({digits.fingerprint, *(other.fingerprint for other in others)}) == 6


def test_grey_levels_survive_the_way_through_a_network() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    x = to_network(levels, CPU)
    assert x.dtype == torch.float32
    assert (x.min(), x.max()) == (-1, 1)
    assert torch.equal(to_samples(x, images=True), levels)
    assert to_network(levels, CPU, torch.float64).dtype == torch.float64


def test_what_a_generator_overshoots_is_clipped_not_wrapped() -> None:
    output = torch.tensor([-5.0, -1.001, 0.0, 1.001, 9.0]).view(1, 1, 1, 5)
    assert to_samples(output, images=True).flatten().tolist() == [0, 0, 128, 255, 255]


def test_vectors_pass_unchanged() -> None:
    x = torch.tensor([[-300.5, 1e6]])
    assert torch.equal(to_network(x, CPU), x)
    assert torch.equal(to_samples(x.requires_grad_(), images=False), x.detach())


@pytest.mark.parametrize("count", [10, 11, 19, 57, 1000])
def test_drawn_splits_are_disjoint_complete_and_large_enough_to_score(count: int) -> None:
    splits = split_by_draw(count)
    together = torch.cat([splits[name] for name in ("train", "select", "test")])
    assert torch.equal(together.sort().values, torch.arange(count))
    assert len(splits["select"]) == len(splits["test"]) >= 2  # a variance needs two
    assert len(splits["train"]) >= 0.6 * count
    again = split_by_draw(count)
    assert all(torch.equal(splits[name], again[name]) for name in splits)


def test_names_and_sizes_that_do_not_exist_are_told() -> None:
    with pytest.raises(InputError, match="no data set, folder or file `mnits`") as problem:
        open_data(Data(name="mnits"))
    assert "did you mean `mnist`" in problem.value.hint
    with pytest.raises(InputError, match=r"data\.std has no meaning for data `patterns`"):
        open_data(Data(name="patterns", std=1.0))
    assert open_data(Data(size=28, channels=1)).shape == (1, 28, 28)
    assert {"mnist5k", "gaussian", "ring", "grid", "patterns"} <= set(data_names())
