"""Multilayer perceptrons have the documents' sizes and keep shapes."""

import pytest
import torch
from torch import nn

from sparring.networks import count_parameters
from sparring.networks.layers import Dropout
from sparring.networks.mlp import MLPDiscriminator, MLPGenerator

DIGITS = (1, 28, 28)


def kinds(network: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in network.layers]


def test_the_course_networks_have_their_number_of_parameters() -> None:
    generator = MLPGenerator(100, DIGITS, [256, 512, 1024], normalization="batch")
    discriminator = MLPDiscriminator(DIGITS, [512, 256], dropout=0.3)
    assert count_parameters(generator) == 1_489_936
    assert count_parameters(discriminator) == 533_505
    block = ["Linear", "LeakyReLU", "BatchNorm1d"]  # in that order
    assert kinds(generator) == [*block * 3, "Linear", "Tanh"]
    block = ["Linear", "LeakyReLU", "Dropout"]
    assert kinds(discriminator) == block * 2
    slopes = [m.negative_slope for m in generator.modules() if isinstance(m, nn.LeakyReLU)]
    assert slopes == [0.2] * 3


def test_the_networks_of_the_one_dimensional_note() -> None:
    generator = MLPGenerator(20, (1,), [32, 32], activation="relu", init="normal")
    discriminator = MLPDiscriminator((1,), [32, 64, 32], activation="relu", init="normal")
    assert kinds(generator) == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert count_parameters(generator) == (20 * 32 + 32) + (32 * 32 + 32) + (32 + 1)
    expected = (32 + 32) + (32 * 64 + 64) + (64 * 32 + 32) + (32 + 1)
    assert count_parameters(discriminator) == expected


@pytest.mark.parametrize("shape", [(1,), (7,), (1, 8, 8), (3, 5, 9)])
@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "silu"])
def test_any_shape_goes_in_and_out(
    shape: tuple[int, ...], normalization: str, activation: str
) -> None:
    options = {"activation": activation, "normalization": normalization, "dropout": 0.1}
    generator = MLPGenerator(3, shape, [6, 5], **options)
    discriminator = MLPDiscriminator(shape, 6, **options)
    samples = generator(100 * torch.randn(4, 3))
    assert samples.shape == (4, *shape)
    assert discriminator(samples).shape == (4,)
    if len(shape) == 3:
        assert samples.abs().max() <= 1


def test_vectors_are_not_squashed() -> None:
    generator = MLPGenerator(2, (2,), [16])
    assert generator(1000 * torch.randn(50, 2)).abs().max() > 10


def test_dropout_sits_in_every_block_and_nowhere_without_a_rate() -> None:
    assert sum(isinstance(m, Dropout) for m in MLPDiscriminator((2,), [4, 4, 4]).modules()) == 0
    network = MLPGenerator(2, (2,), [4, 4, 4], dropout=0.25)
    assert [m.rate for m in network.modules() if isinstance(m, Dropout)] == [0.25] * 3
