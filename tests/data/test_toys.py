"""The toy distributions are what they say they are."""

import math

import pytest
import torch

from helpers import toy
from sparring.data import open_data
from sparring.recipe import Data


def test_gaussian_is_n_3_2_unless_told_otherwise() -> None:
    for split, count in (("train", 100_000), ("select", 10_000), ("test", 10_000)):
        values = toy("gaussian").split(split)
        assert values.shape == (count, 1)
        assert values.mean().item() == pytest.approx(3, abs=4 * 2 / math.sqrt(count))
        assert values.std().item() == pytest.approx(2, abs=4 * 2 / math.sqrt(2 * count))
    other = open_data(Data(name="gaussian", mean=-4.0, std=0.5)).values
    assert other.mean().item() == pytest.approx(-4, abs=0.01)
    assert other.std().item() == pytest.approx(0.5, abs=0.01)
    standard = (toy("gaussian").values - 3) / 2
    assert standard.pow(3).mean().item() == pytest.approx(0, abs=0.03)
    assert standard.pow(4).mean().item() == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize(
    ("name", "std", "centers"),
    [
        (
            "ring",
            0.02,
            [(2 * math.cos(k * math.pi / 4), 2 * math.sin(k * math.pi / 4)) for k in range(8)],
        ),
        ("grid", 0.05, [(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)]),
    ],
)
def test_mixtures_have_their_centers_and_spread(
    name: str, std: float, centers: list[tuple[float, float]]
) -> None:
    data = toy(name)
    assert data.values.shape == (120_000, 2)
    assert data.modes is not None
    assert data.labels is not None
    torch.testing.assert_close(
        data.modes.centers, torch.tensor(centers, dtype=torch.float32), atol=1e-6, rtol=0
    )
    assert data.modes.radius == pytest.approx(3 * std)
    counts = torch.bincount(data.labels)
    assert counts.min() > 0.9 * 120_000 / len(centers)
    for label, center in enumerate(centers):
        own = data.values[data.labels == label]
        assert own.mean(0).tolist() == pytest.approx(center, abs=6 * std / math.sqrt(len(own)))
        assert own.std(0).tolist() == pytest.approx([std, std], rel=0.05)


def test_the_spread_of_modes_can_be_set() -> None:
    data = open_data(Data(name="ring", std=0.1))
    assert data.modes is not None
    assert data.modes.radius == pytest.approx(0.3)
    away = data.values - data.modes.centers[data.labels]
    assert away.std().item() == pytest.approx(0.1, rel=0.01)


def test_patterns_are_sixteen_single_lines() -> None:
    data = toy("patterns")
    assert data.values.shape == (16 * 370, 1, 8, 8)
    assert data.values.dtype == torch.uint8
    assert data.modes is not None
    assert len(data.values.flatten(1).unique(dim=0)) == 16
    for place, image in enumerate(data.modes.centers):
        lit = image[0] == 255
        assert lit.sum() == 8
        across, down = lit.all(1), lit.all(0)
        lines = (across if place < 8 else down).nonzero().flatten().tolist()
        assert lines == [place % 8]
        assert (image[0][~lit] == 0).all()
    for split in ("train", "select", "test"):
        labels = data.split_labels(split)
        assert labels is not None
        assert len(set(torch.bincount(labels).tolist())) == 1
        assert torch.equal(data.split(split), data.modes.centers[labels])


@pytest.mark.parametrize("name", ["gaussian", "ring", "grid", "patterns"])
def test_toys_are_the_same_every_time_and_do_not_touch_the_global_generator(name: str) -> None:
    before = torch.get_rng_state()
    assert open_data(Data(name=name)).fingerprint == toy(name).fingerprint
    assert torch.equal(torch.get_rng_state(), before)
    together = torch.cat(list(toy(name).splits.values()))
    assert torch.equal(together.sort().values, torch.arange(len(toy(name).values)))
