"""Residual networks at every size they promise, and as published at 32 and 128 pixels."""

from typing import Any

import pytest
import torch
from torch import nn

from sparring.errors import InputError
from sparring.networks import build_discriminator, build_generator, count_parameters
from sparring.networks.dcgan import doublings
from sparring.networks.layers import ConditionalBatchNorm2d
from sparring.networks.resnet import ResidualBlock, ResNetDiscriminator, ResNetGenerator
from sparring.recipe import Network

SIZES = [*range(8, 68, 12), 64, 96, 100, 124, 180, 252, 256]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_grey_and_colour_from_8_to_256(size: int, channels: int) -> None:
    shape = (channels, size, size)
    images = ResNetGenerator(5, shape, 1)(torch.randn(2, 5))
    assert images.shape == (2, *shape)
    assert images.abs().max() <= 1
    assert ResNetDiscriminator(shape, 2)(images).shape == (2,)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 30, 30), (1, 32, 28), (8,)])
def test_other_sizes_are_refused_in_words(shape: tuple[int, ...]) -> None:
    for make in (lambda: ResNetGenerator(5, shape), lambda: ResNetDiscriminator(shape)):
        with pytest.raises(InputError, match="resnet makes square images of 8 to 256"):
            make()


def widths(network: nn.Module) -> list[tuple[int, int, str]]:
    """Channels before and after each residual block, and how it resamples."""
    return [
        (b.convolutions[0].in_channels, b.convolutions[1].out_channels, b.resampling)
        for b in network.modules()
        if isinstance(b, ResidualBlock)
    ]


def test_at_32_pixels_the_networks_are_those_of_the_tables() -> None:
    generator = ResNetGenerator(128, (3, 32, 32), 256)
    assert tuple(generator.first.weight.shape) == (4 * 4 * 256, 128)
    assert widths(generator) == [(256, 256, "up")] * 3
    discriminator = ResNetDiscriminator((3, 32, 32), 128)
    assert widths(discriminator) == [
        (3, 128, "down"),
        (128, 128, "down"),
        (128, 128, "none"),
        (128, 128, "none"),
    ]
    assert discriminator.head.logit.in_features == 128
    # A block: 3x3 convolutions with biases, and a 1x1 one where the shortcut has to learn.
    convolution = 9 * 128 * 128 + 128
    shortcut = 128 * 128 + 128
    first = (9 * 3 * 128 + 128) + convolution + (3 * 128 + 128)
    blocks = first + (2 * convolution + shortcut) + 2 * 2 * convolution
    assert count_parameters(discriminator) == blocks + 129


def test_channels_grow_towards_the_middle() -> None:
    generator = ResNetGenerator(8, (3, 128, 128), 4, growth=16)
    assert [after for _, after, _ in widths(generator)] == [64, 32, 16, 8, 4]
    assert generator.first.out_features == 64 * 4 * 4
    discriminator = ResNetDiscriminator((3, 128, 128), 4, growth=16)
    assert [after for _, after, _ in widths(discriminator)] == [4, 8, 16, 32, 64, 64]


def test_a_block_is_the_sum_of_its_ways() -> None:
    """Against the published order: resampling around both ways, the shortcut's after its 1x1."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, 8)
    for resampling, scale in (("up", 2.0), ("down", 0.5)):
        block = ResidualBlock(3, 5, resampling)
        up = nn.Upsample(scale_factor=2) if scale == 2 else nn.Identity()
        down = nn.AvgPool2d(2) if scale == 0.5 else nn.Identity()
        one, two = block.convolutions
        expected = down(two(one(up(x.relu())).relu())) + down(block.shortcut(up(x)))
        torch.testing.assert_close(block(x), expected)
    first = ResidualBlock(3, 5, "down", first=True)
    one, two = first.convolutions
    pool = nn.AvgPool2d(2)
    torch.testing.assert_close(first(x), pool(two(one(x).relu())) + first.shortcut(pool(x)))


def test_features_are_sums_over_all_pixels() -> None:
    discriminator = ResNetDiscriminator((1, 28, 28), 4)
    x = torch.randn(2, 1, 28, 28)
    maps = discriminator.blocks(x)
    assert maps.shape == (2, 4, 7, 7)
    torch.testing.assert_close(discriminator.features(x, None), maps.relu().sum(dim=(2, 3)))


@pytest.mark.parametrize("condition", ["embedding", "normalization"])
def test_a_conditional_generator_makes_another_image_for_another_label(condition: str) -> None:
    torch.manual_seed(0)
    generator = ResNetGenerator(6, (1, 8, 8), 4, condition=condition, classes=3)
    for layer in generator.modules():
        if isinstance(layer, ConditionalBatchNorm2d):
            nn.init.normal_(layer.gain)
    z = torch.randn(4, 6)
    one, other = (generator(z, torch.full((4,), label)) for label in (0, 2))
    assert not torch.allclose(one, other)
    # The last normalization has one gain for all classes, as published.
    in_blocks = 2 * len(widths(generator)) if condition == "normalization" else 0
    kinds = [isinstance(layer, ConditionalBatchNorm2d) for layer in generator.modules()]
    assert sum(kinds) == in_blocks


@pytest.mark.parametrize("condition", ["projection", "auxiliary"])
def test_a_conditional_discriminator_is_normalized_throughout(condition: str) -> None:
    network = Network.model_validate(
        {"name": "resnet", "width": 4, "condition": condition, "spectral_norm": True}
    )
    judge = build_discriminator(network, (3, 16, 16), seed=0, classes=5)
    layers = [m for m in judge.modules() if isinstance(m, nn.Conv2d | nn.Linear | nn.Embedding)]
    assert layers
    assert all(hasattr(layer, "parametrizations") for layer in layers)
    said = judge(torch.randn(2, 3, 16, 16), torch.tensor([1, 4]), whole=True)
    assert said.logits.shape == (2,)
    assert (said.class_logits is not None) == (condition == "auxiliary")


def test_packs_are_judged_as_one() -> None:
    judge = ResNetDiscriminator((3, 8, 8), 4, packing=2)
    assert judge.couples_batch
    assert judge(torch.randn(6, 3, 8, 8)).shape == (3,)


@pytest.mark.parametrize(
    ("option", "message"),
    [({"attention": [9]}, "generator.attention: no map of 9 pixels"), ({"growth": 0}, "growth=0")],
)
def test_wrong_options_are_told(option: dict[str, Any], message: str) -> None:
    network = Network.model_validate({"name": "resnet", "width": 2} | option)
    with pytest.raises(InputError, match=message) as problem:
        build_generator(network, 4, (1, 28, 28), seed=0)
    assert "attention" not in option or problem.value.hint == "choose from: 14, 28"


def test_every_size_has_its_doublings() -> None:
    for size in range(8, 257, 4):
        generator = ResNetGenerator(2, (1, size, size), 1)
        assert len(widths(generator)) == doublings(size)[1]
