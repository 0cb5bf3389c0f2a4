"""R3GAN's networks at every size they promise, as they begin, and as published at 32 pixels."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from sparring.errors import InputError
from sparring.networks import count_parameters
from sparring.networks.dcgan import doublings
from sparring.networks.layers import uses_batch_statistics
from sparring.networks.r3gan import (
    Bottleneck,
    Doubled,
    Halved,
    R3GANDiscriminator,
    R3GANGenerator,
)

SIZES = [8, 20, 28, 32, 64, 68, 100, 124, 252, 256]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_grey_and_colour_from_8_to_256(size: int, channels: int) -> None:
    shape = (channels, size, size)
    images = R3GANGenerator(5, shape, 2, blocks=1)(torch.randn(2, 5))
    assert images.shape == (2, *shape)
    assert images.abs().max() <= 1
    assert R3GANDiscriminator(shape, 2, blocks=1)(images).shape == (2,)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 30, 30), (1, 32, 28), (8,)])
def test_other_sizes_are_refused_in_words(shape: tuple[int, ...]) -> None:
    for make in (lambda: R3GANGenerator(5, shape), lambda: R3GANDiscriminator(shape)):
        with pytest.raises(InputError, match="r3gan makes square images of 8 to 256"):
            make()


def test_groups_must_divide_the_width() -> None:
    with pytest.raises(InputError, match="48 channels inside a block are no multiple of groups"):
        R3GANGenerator(5, (1, 8, 8), 24, group_size=32)
    # Blocks narrower than a group have one group.
    assert Bottleneck(4, 32, depth=2).mix.groups == 1


def test_a_block_begins_as_the_identity_with_small_branches() -> None:
    torch.manual_seed(0)
    block, x = Bottleneck(256, 16, depth=16), torch.randn(2, 256, 8, 8)
    assert torch.equal(block(x), x)
    # He's gain times depth to the power -1/4, over the root of the fan in: 256, and 9 x 16.
    gain = math.sqrt(2 / 1.04) * 16**-0.25
    assert block.expand.weight.std().item() == pytest.approx(gain / 16, rel=0.02)
    assert block.mix.weight.std().item() == pytest.approx(gain / 12, rel=0.02)
    assert block.mix.groups == 2 * 256 // 16
    block(x).square().sum().backward()
    assert block.reduce.weight.grad.abs().max() > 0


def test_it_begins_as_its_transitions_alone_at_the_size_of_the_input() -> None:
    torch.manual_seed(0)
    generator = R3GANGenerator(64, (3, 32, 32), 128)
    shown: list[torch.Tensor] = []
    generator.last.register_forward_hook(lambda m, given, out: shown.append(given[0]))
    z = torch.randn(8, 64)
    generator(z)
    expected = generator.basis * generator.first(z)[..., None, None]
    for _ in range(3):
        expected = interpolate(expected, scale_factor=2.0, mode="bilinear")
    torch.testing.assert_close(shown[0], expected)
    start = (generator.basis * generator.first(z)[..., None, None]).square().mean()
    assert start.item() == pytest.approx(1, abs=0.3)


def test_halving_is_bilinear_interpolation() -> None:
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(Halved()(x), interpolate(x, scale_factor=0.5, mode="bilinear"))
    assert Halved()(torch.randn(1, 3, 25, 25)).shape[-1] == 13
    constant = torch.ones(1, 2, 4, 4)
    torch.testing.assert_close(Doubled()(constant), torch.ones(1, 2, 8, 8))


@pytest.mark.parametrize("size", [28, 32, 100])
def test_no_layer_normalizes_and_channels_change_by_1x1(size: int) -> None:
    generator = R3GANGenerator(8, (3, size, size), 4, growth=2, blocks=1)
    discriminator = R3GANDiscriminator((3, size, size), 4, growth=2, blocks=1)
    base, k = doublings(size)
    assert not uses_batch_statistics(generator)
    assert not uses_batch_statistics(discriminator)
    for network in (generator, discriminator):
        blocks = [one for one in network.modules() if isinstance(one, Bottleneck)]
        assert len(blocks) == k + 1
        plain = [m for m in network.layers if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
        changes = [m for m in plain if {m.in_channels, m.out_channels} == {4, 8}]
        assert len(changes) == 1
    assert tuple(discriminator.layers[-1].kernel_size) == (base, base)


def test_at_32_pixels_the_networks_are_as_large_as_published() -> None:
    """Width 768 at 4, 8, 16 and 32 pixels, two blocks each, 96 groups of 16 channels."""
    with torch.device("meta"):
        block = Bottleneck(768, 16, depth=8)
    weights = 768 * 1536 + 1536 * 9 * 16 + 1536 * 768
    assert count_parameters(block) == weights + 2 * 1536
    assert block.mix.groups == 96
