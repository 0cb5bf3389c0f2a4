"""The random network is the same for ever, sees more than brightness, and takes any image."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from sparring.data import Dataset, open_data
from sparring.data.dataset import SPLITS
from sparring.metrics.features import find_extractor
from sparring.metrics.fid import fid
from sparring.metrics.kid import kid
from sparring.metrics.random_features import random_features
from sparring.metrics.record import Comparison
from sparring.recipe import Data

RGB = (3, 28, 28)


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    """Digits in three colours on black, uint8 [1500, 3, 28, 28]."""
    grey = open_data(Data()).values[:1500]
    draw = torch.Generator().manual_seed(0)
    color = torch.tensor([[1.0, 0.2, 0.2], [0.2, 1.0, 0.2], [0.2, 0.2, 1.0]])
    chosen = color[torch.randint(0, 3, (len(grey),), generator=draw)]
    return (grey * chosen[:, :, None, None]).to(torch.uint8)


def test_features_are_the_same_each_time_and_of_each_sample_alone(pictures: Tensor) -> None:
    first, second = random_features(RGB), random_features(RGB)
    features = first(pictures[:7])
    assert features.shape == (7, 224)
    assert "224" in first.layer
    assert torch.equal(features, second(pictures[:7]))
    torch.testing.assert_close(features[3:4], first(pictures[3:4]), rtol=1e-4, atol=1e-4)


def spoiled(pictures: Tensor, how: str, much: float) -> Tensor:
    """Pictures with a fault of some strength, 0 to 1."""
    draw = torch.Generator().manual_seed(1)
    x = pictures.float()
    if how == "blur":
        x = torch.lerp(x, avg_pool2d(x, 5, 1, 2), much)
    elif how == "noise":
        x = x + 60 * much * torch.randn(x.shape, generator=draw)
    elif how == "one colour":
        x = torch.lerp(x, x.mean(1, keepdim=True).expand_as(x), much)
    elif how == "few kinds":
        x[: int(much * len(x))] = x[0]
    return x.clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("how", ["blur", "noise", "one colour", "few kinds"])
def test_distances_grow_with_a_fault(pictures: Tensor, how: str) -> None:
    extract = random_features(RGB)
    real = extract(pictures[:750])
    found = []
    for much in (0.0, 0.25, 0.5, 1.0):
        fake = spoiled(pictures[750:], how, much)
        comparison = Comparison(real, extract(fake), fake)
        found.append((kid(comparison).value, fid(comparison).value))
    for values in zip(*found, strict=True):
        assert list(values) == sorted(values)
        assert values[1] > 1.5 * abs(values[0])


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 20, 20), (3, 17, 40), (3, 130, 130)])
def test_images_of_any_size(shape: tuple[int, ...]) -> None:
    extract = random_features(shape)
    images = torch.randint(0, 256, (3, *shape), dtype=torch.uint8)
    features = extract(images)
    assert features.isfinite().all()
    assert features.abs().max() < 100
    assert extract.resize == ("area to 64x64" if shape[1] > 64 else "none")


def test_they_are_there_by_name() -> None:
    for shape in (RGB, (1, 28, 28)):
        assert find_extractor("random", blank(shape)).name == "random"


def blank(shape: tuple[int, ...]) -> Dataset:
    values = torch.zeros(4, *shape, dtype=torch.uint8)
    return Dataset("pictures", values, {name: torch.arange(4) for name in SPLITS})
