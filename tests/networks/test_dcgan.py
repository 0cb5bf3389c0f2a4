"""DCGAN at every size it promises, with the layers of its table at 64 pixels."""

import pytest
import torch
from torch import nn

from sparring.errors import InputError
from sparring.networks.dcgan import DCGANDiscriminator, DCGANGenerator, doublings

SIZES = [*range(8, 68, 4), 96, 100, 124, 128, 180, 196, 252, 256]


def shapes_of(network: nn.Module, *kinds: type[nn.Module]) -> list[tuple[int, ...]]:
    """The weight shapes of all layers of some kinds, in order."""
    return [tuple(m.weight.shape) for m in network.modules() if isinstance(m, kinds)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_every_multiple_of_four_from_8_to_256(size: int, channels: int) -> None:
    shape = (channels, size, size)
    for output, stem in (("transposed", "convolution"), ("convolution", "unshuffle")):
        generator = DCGANGenerator(5, shape, 1, output=output)
        discriminator = DCGANDiscriminator(shape, 2, normalization="none", stem=stem)
        images = generator(torch.randn(2, 5))
        assert images.shape == (2, *shape)
        assert images.abs().max() <= 1
        assert discriminator(images).shape == (2,)


@pytest.mark.parametrize("size", range(8, 257, 4))
def test_the_generator_starts_small_and_crops_little(size: int) -> None:
    base, k = doublings(size)
    made = base * 2**k
    assert 3 <= base <= 15
    assert size <= made <= size + 2**k
    assert (size % 8 != 0) or made == size or size > 120


def test_cropping_keeps_the_middle() -> None:
    generator = DCGANGenerator(4, (1, 100, 100), 2, normalization="none", init="he")
    z = torch.randn(1, 4)
    whole = generator.layers(generator.first(z).view(1, 7, 7, -1).permute(0, 3, 1, 2))
    assert whole.shape[-1] == 112
    torch.testing.assert_close(generator(z), whole[..., 6:106, 6:106])
    assert not torch.allclose(generator(z), whole[..., :100, :100], atol=0.01)


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 30, 30), (3, 260, 260), (1, 32, 28), (8,)])
def test_other_sizes_are_refused_in_words(shape: tuple[int, ...]) -> None:
    for make in (lambda: DCGANGenerator(5, shape, 2), lambda: DCGANDiscriminator(shape, 2)):
        with pytest.raises(InputError, match="8 to 256 pixels in steps of 4") as problem:
            make()
        assert "mlp" in problem.value.hint


def test_at_64_pixels_and_64_maps_the_generator_is_that_of_the_table() -> None:
    generator = DCGANGenerator(100, (3, 64, 64), 64)
    # 100 numbers to 512 maps of 4x4; then 256 of 8x8, 128 of 16x16, 64 of 32x32, 3 of 64x64.
    assert shapes_of(generator, nn.Linear) == [(512 * 4 * 4, 100)]
    assert shapes_of(generator, nn.ConvTranspose2d) == [
        (512, 256, 4, 4),
        (256, 128, 4, 4),
        (128, 64, 4, 4),
        (64, 3, 4, 4),
    ]
    assert shapes_of(generator, nn.BatchNorm2d) == [(512,), (256,), (128,), (64,)]
    assert isinstance(generator.layers[-1], nn.Tanh)
    assert sum(isinstance(m, nn.ReLU) for m in generator.modules()) == 4
    sizes: list[int] = []
    for layer in generator.modules():
        if isinstance(layer, nn.ConvTranspose2d):
            layer.register_forward_hook(lambda m, i, out: sizes.append(out.shape[-1]))
    with torch.no_grad():
        generator(torch.randn(2, 100))
    assert sizes == [8, 16, 32, 64]


def test_at_64_pixels_and_64_maps_the_discriminator_is_that_of_the_table() -> None:
    discriminator = DCGANDiscriminator((3, 64, 64), 64)
    assert shapes_of(discriminator, nn.Conv2d) == [
        (64, 3, 4, 4),
        (128, 64, 4, 4),
        (256, 128, 4, 4),
        (512, 256, 4, 4),
    ]
    # Normalization in all but the first and the last layer.
    assert shapes_of(discriminator, nn.BatchNorm2d) == [(128,), (256,), (512,)]
    assert shapes_of(discriminator, nn.Linear) == [(1, 512 * 4 * 4)]
    slopes = [m.negative_slope for m in discriminator.modules() if isinstance(m, nn.LeakyReLU)]
    assert slopes == [0.2] * 4


@pytest.mark.parametrize("stem", ["convolution", "unshuffle"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("width", [1, 3, 4])
def test_normalization_is_left_out_of_the_first_layer_only(
    channels: int, width: int, stem: str
) -> None:
    """Also where a hidden layer has as many channels as the image."""
    discriminator = DCGANDiscriminator((channels, 64, 64), width, stem=stem)
    expected = [(2 * width,), (4 * width,), (8 * width,)]
    assert shapes_of(discriminator, nn.BatchNorm2d) == expected


def test_the_quick_variants_keep_the_other_layers() -> None:
    generator = DCGANGenerator(10, (1, 28, 28), 4, output="convolution")
    assert shapes_of(generator, nn.ConvTranspose2d) == [(16, 8, 4, 4), (8, 4, 4, 4)]
    assert shapes_of(generator, nn.Conv2d) == [(1, 4, 3, 3)]
    discriminator = DCGANDiscriminator((3, 32, 32), 4, stem="unshuffle")
    shapes = shapes_of(discriminator, nn.Conv2d)
    assert shapes == [(4, 12, 3, 3), (8, 4, 4, 4), (16, 8, 4, 4)]


@pytest.mark.parametrize(
    ("normalization", "kind"), [("none", None), ("batch", nn.BatchNorm2d), ("layer", nn.GroupNorm)]
)
def test_biases_are_there_where_no_normalization_takes_them_away(
    normalization: str, kind: type[nn.Module] | None
) -> None:
    for network in (
        DCGANGenerator(5, (1, 16, 16), 4, normalization=normalization),
        DCGANDiscriminator((1, 16, 16), 4, normalization=normalization),
    ):
        layers = [
            m
            for m in network.modules()
            if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
        ]
        assert all((layer.bias is not None) == (normalization == "none") for layer in layers)
        assert (kind is None) or any(isinstance(m, kind) for m in network.modules())
