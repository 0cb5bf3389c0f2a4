"""Networks that grow: every size, nothing changes at a growth, the stage goes with the weights."""

import copy
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from helpers import D, G
from sparring.errors import InputError
from sparring.networks import build_discriminator, build_generator
from sparring.networks.growing import Growing
from sparring.networks.progressive import ProgressiveDiscriminator, ProgressiveGenerator
from sparring.recipe import Ema, Growth, Network
from sparring.training.ema import EMA

SIZES = {8: [4, 8], 28: [7, 14, 28], 32: [4, 8, 16, 32], 100: [7, 14, 28, 56, 112]}


def pair(size: int, channels: int = 1) -> tuple[ProgressiveGenerator, ProgressiveDiscriminator]:
    torch.manual_seed(size)
    shape = (channels, size, size)
    return ProgressiveGenerator(5, shape, 2, 4), ProgressiveDiscriminator(shape, 2, 4)


def said(network: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return network(x)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [*SIZES, 36, 64, 128, 256, 512, 1024])
def test_grey_and_colour_from_8_to_1024_at_every_stage(size: int, channels: int) -> None:
    generator, discriminator = pair(size, channels)
    sides = generator.resolutions
    assert list(sides) == SIZES.get(size, list(sides))
    assert all(b == 2 * a for a, b in pairwise(sides))
    for level in {0, len(sides) - 1}:
        for network in (generator, discriminator):
            network.grow(level, 0.5 if level else 1.0)
        images = said(generator, torch.randn(2, 5))
        assert images.shape == (2, channels, size, size)
        assert images.abs().max() <= 1
        assert said(discriminator, images).shape == (2,)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 30, 30), (1, 32, 28), (8,), (3, 1028, 1028)])
def test_other_sizes_are_refused_in_words(shape: tuple[int, ...]) -> None:
    for make in (lambda: ProgressiveGenerator(5, shape), lambda: ProgressiveDiscriminator(shape)):
        with pytest.raises(InputError, match="progressive makes square images of 8 to 1024"):
            make()


@pytest.mark.parametrize("size", SIZES)
def test_a_resolution_that_has_not_faded_in_changes_nothing(size: int) -> None:
    """Both players, bit for bit; the faded-in one is another function."""
    generator, discriminator = pair(size)
    z, x = torch.randn(4, 5), torch.rand(4, 1, size, size)
    for level in range(1, len(generator.resolutions)):
        for network, inputs in ((generator, z), (discriminator, x)):
            network.grow(level - 1)
            before = said(network, inputs)
            network.grow(level, 0.0)
            assert torch.equal(said(network, inputs), before)
            network.grow(level, 0.5)
            assert not torch.equal(said(network, inputs), before)


def test_below_full_size_each_pixel_is_a_block() -> None:
    generator, discriminator = pair(32)
    z, x = torch.randn(2, 5), torch.rand(2, 1, 32, 32)
    for network in (generator, discriminator):
        network.grow(1)
    images = said(generator, z)
    small = images[..., ::4, ::4]
    assert torch.equal(images, interpolate(small, scale_factor=4.0))
    # And of an image the discriminator sees the means of the blocks only.
    coarse = interpolate(avg_pool2d(x, 4), scale_factor=4.0)
    torch.testing.assert_close(said(discriminator, x), said(discriminator, coarse))


def test_real_images_fade_with_the_generators() -> None:
    _, discriminator = pair(32)
    x = torch.rand(2, 1, 32, 32)
    for level, alpha in ((0, 1.0), (2, 1.0), (3, 1.0)):
        discriminator.grow(level, alpha)
        assert torch.equal(discriminator.faded(x), x)
    discriminator.grow(2, 0.25)
    seen = discriminator.reduced(discriminator.faded(x), 2)
    fine, coarse = avg_pool2d(x, 2), interpolate(avg_pool2d(x, 4), scale_factor=2.0)
    torch.testing.assert_close(seen, 0.75 * coarse + 0.25 * fine)


def test_the_stage_is_a_function_of_samples_seen() -> None:
    growth = Growth(start=4, samples_each=100, fade=0.4)
    sides = (4, 8, 16)
    seen = [0, 99, 100, 110, 140, 199, 200, 220, 240, 10**9]
    stages = [growth.stage(samples, sides) for samples in seen]
    assert stages == [
        *((0, 1.0), (0, 1.0), (1, 0.0), (1, 0.25), (1, 1.0), (1, 1.0)),
        *((2, 0.0), (2, 0.5), (2, 1.0), (2, 1.0)),
    ]
    assert Growth(start=5, samples_each=100).stage(0, sides) == (1, 1.0)
    assert Growth(start=28, samples_each=100).stage(0, sides) == (2, 1.0)
    at_once = Growth(start=4, samples_each=100, fade=0)
    assert [at_once.stage(seen, sides) for seen in (99, 100, 200)] == [(0, 1), (1, 1), (2, 1)]


def test_the_stage_goes_where_the_weights_go() -> None:
    generator, _ = pair(32)
    z = torch.randn(3, 5)
    assert (generator.level, generator.alpha) == (3, 1.0)
    for stage in ((0, 1.0), (2, 0.0), (2, 0.375), (3, 1.0)):
        generator.grow(*stage)
        other, _ = pair(32)
        other.load_state_dict(generator.state_dict())
        assert (other.level, other.alpha) == stage
        assert torch.equal(said(other, z), said(generator, z))
        assert torch.equal(said(copy.deepcopy(generator), z), said(generator, z))


def test_the_average_is_at_its_sources_stage() -> None:
    generator, _ = pair(32)
    generator.grow(1)
    ema = EMA(generator, Ema(half_life=0))
    z = torch.randn(3, 5)
    for stage in ((1, 1.0), (2, 0.25), (3, 1.0)):
        generator.grow(*stage)
        ema.update(1, 1)
        assert isinstance(ema.module, Growing)
        assert (ema.module.level, ema.module.alpha) == stage
        assert torch.equal(said(ema.module, z), said(generator, z))
        assert torch.equal(ema.module.stage, generator.stage)


def test_features_keep_their_size_through_equalized_layers() -> None:
    torch.manual_seed(0)
    discriminator = ProgressiveDiscriminator((1, 64, 64), 32, minibatch="none")
    features = discriminator.features(torch.randn(16, 1, 64, 64), None)
    assert 0.2 < features.square().mean() < 5
    generator = ProgressiveGenerator(32, (1, 64, 64), 32)
    shown: list[Tensor] = []
    generator.to_image[4].register_forward_hook(lambda m, given, out: shown.append(given[0]))
    generator(torch.randn(4, 32))
    torch.testing.assert_close(shown[0].square().mean(1), torch.ones(4, 64, 64))


@pytest.mark.parametrize("condition", ["projection", "auxiliary"])
def test_labels_enter_both_players(condition: str) -> None:
    shape, labels = (1, 8, 8), torch.tensor([0, 2])
    options = {G: {"condition": "embedding"}, D: {"condition": condition}}
    chosen = {p: Network(name="progressive", width=2, **options[p]) for p in (G, D)}
    generator = build_generator(chosen[G], 5, shape, seed=0, classes=3)
    discriminator = build_discriminator(chosen[D], shape, seed=0, classes=3)
    z = torch.ones(2, 5)
    images = generator(z, labels)
    assert not torch.equal(images[0], images[1])
    whole = discriminator(images, labels, whole=True)
    assert (whole.class_logits is None) == (condition == "projection")
    other = discriminator(images, labels.flip(0), whole=True)
    assert torch.equal(whole.logits, other.logits) == (condition == "auxiliary")
