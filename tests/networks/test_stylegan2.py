"""The style networks: shapes, mapping, mixing, the mean style, labels."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from sparring.errors import InputError
from sparring.networks.discriminator import Judgement
from sparring.networks.layers import keyed_noise, noisy_layers, seeded
from sparring.networks.stylegan2 import (
    MEAN_DECAY,
    StyleGAN2Discriminator,
    StyleGAN2Generator,
    StyleMixing,
)
from sparring.networks.styles import Made, has_styles, styles_of, truncated
from sparring.randomness import keyed


def small(size: int = 16, channels: int = 1, **options: object) -> StyleGAN2Generator:
    sizes: dict[str, object] = {"width": 4, "growth": 2, "styles": 8, "depth": 2}
    with seeded(0):
        return StyleGAN2Generator(6, (channels, size, size), **(sizes | options))  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("size", "layers"), [(8, 4), (28, 6), (32, 8), (100, 10), (128, 12), (1024, 18)]
)
def test_both_players_take_every_kind_of_size(size: int, layers: int, channels: int) -> None:
    generator = small(size, channels, width=1)
    judge = StyleGAN2Discriminator((channels, size, size), width=1, growth=2)
    assert generator.layers == layers
    images = generator(torch.randn(2, 6))
    assert images.shape == (2, channels, size, size)
    assert judge(images).shape == (2,)


@pytest.mark.parametrize("shape", [(1, 30, 30), (1, 4, 4), (2,), (1, 8, 12), (3, 2048, 2048)])
def test_other_samples_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="stylegan2 makes square images of 8 to 1024"):
        StyleGAN2Generator(4, shape, width=1)
    with pytest.raises(InputError, match="stylegan2 makes square images"):
        StyleGAN2Discriminator(shape, width=1)


def test_the_published_widths_come_out() -> None:
    """512 channels up to 64 pixels, then half of them at each size down to 32 at 1024."""
    with torch.device("meta"):
        judge = StyleGAN2Discriminator((3, 1024, 1024), width=32, growth=16)
        generator = StyleGAN2Generator(512, (3, 1024, 1024), width=32, growth=16)
    widths = [block.halving.weight.shape[0] for block in judge.blocks]
    assert widths == [64, 128, 256, 512, 512, 512, 512, 512]
    made = [layer.convolution.weight.shape[0] for layer in generator.synthesis.convolutions]
    assert made[0::2] == [512, 512, 512, 512, 512, 256, 128, 64, 32]
    assert generator.mixing.probability == 0.9
    # Figures that StyleGAN2's own program prints for configuration F.
    assert sum(p.numel() for p in generator.parameters()) == pytest.approx(30.37e6, rel=2e-3)
    assert sum(p.numel() for p in judge.parameters()) == pytest.approx(28.98e6, rel=7e-3)


def test_the_mapping_is_slow_layers_over_pixel_normed_latents() -> None:
    mapping, z = small().mapping, torch.randn(3, 6)
    x = z / z.square().mean(1, keepdim=True).sqrt()
    for layer in mapping.layers:
        assert layer.rate == 0.01
        weight = layer.weight * 0.01 / layer.weight.shape[1] ** 0.5
        x = leaky_relu(x @ weight.T + 0.01 * layer.bias, 0.2) * 2**0.5
    torch.testing.assert_close(mapping(z), x)
    torch.testing.assert_close(mapping(5 * z), x)
    with torch.autocast("cpu", torch.bfloat16):
        assert mapping(z).dtype == torch.float32


def test_images_are_sums_over_resolutions() -> None:
    """Without the image of a resolution, what is left is the others', doubled."""
    generator = small(16).eval()
    z = torch.randn(2, 6)
    whole = generator(z)
    last = generator.synthesis.to_image[-1]
    last.convolution.weight.data.zero_()
    coarse = generator(z)
    assert not torch.allclose(whole, coarse)
    half = generator.synthesis.to_image[-2]
    half.convolution.weight.data.zero_()
    generator.synthesis.to_image[0].convolution.weight.data.zero_()
    assert generator(z).abs().max() == 0
    assert coarse.abs().max() > 0


def test_with_one_image_it_is_that_of_the_largest_maps() -> None:
    generator = small(16, image="last").eval()
    (only,) = generator.synthesis.to_image
    styles = torch.randn(2, generator.layers, 8)
    maps = generator.synthesis.constant.expand(2, -1, -1, -1)
    for convolution, style in zip(generator.synthesis.convolutions, styles.unbind(1), strict=False):
        maps = convolution(maps, style)
    assert generator.layers == small(16).layers
    torch.testing.assert_close(generator.synthesis(styles), only(maps, styles[:, -1]))


def test_pixel_norm_leaves_maps_whose_channels_have_mean_square_one() -> None:
    shown: list[Tensor] = []
    for norm in ("none", "pixel"):
        generator = small(16, norm=norm).eval()
        for convolution in generator.synthesis.convolutions:
            convolution.register_forward_hook(lambda layer, given, out: shown.append(out))
        generator(torch.randn(2, 6))
    squares = [maps.square().mean(1) for maps in shown]
    plain, normed = squares[: len(squares) // 2], squares[len(squares) // 2 :]
    assert all((each - 1).abs().max() > 0.1 for each in plain)
    assert all((each - 1).abs().max() < 1e-4 for each in normed)


def test_each_layer_takes_the_style_of_its_own() -> None:
    generator = small(8).eval()
    styles = torch.randn(1, generator.layers, 8).requires_grad_()
    (slope,) = torch.autograd.grad(generator.synthesis(styles).sum(), styles)
    assert (slope.abs().amax(2) > 0).all()
    # The first convolution is of the first style alone; the first image of the second.
    coarse = generator.synthesis.convolutions[0]
    x = generator.synthesis.constant
    (slope,) = torch.autograd.grad(coarse(x, styles[:, 0]).sum(), styles)
    assert (slope.abs().amax(2) > 0).tolist() == [[True, False, False, False]]


def test_style_mixing_keeps_the_first_layers_of_a_share_of_the_samples() -> None:
    mixing = StyleMixing(0.75)
    mixing.noise = keyed_noise(keyed("mixing"), 4000, slice(0, 4000))
    kept = mixing.first(4000, 6, torch.device("cpu"))[..., 0]
    assert kept[:, 0].all()
    assert all((before | ~after).all() for before, after in pairwise(kept.T))
    cuts = kept.sum(1).bincount(minlength=7) / 4000
    assert cuts[6].item() == pytest.approx(0.25, abs=0.03)
    torch.testing.assert_close(cuts[1:6], torch.full((5,), 0.15), rtol=0, atol=0.025)


def drawn(generator: StyleGAN2Generator, z: Tensor, part: slice | None = None) -> Made:
    """What it makes in training of part of a batch, with noise by key."""
    part = part or slice(0, len(z))
    for name, layer in noisy_layers(generator):
        layer.noise = keyed_noise(keyed("draw", name), len(z), part)
    made = generator(z[part], whole=True)
    assert isinstance(made, Made)
    return made


def test_in_training_all_draws_are_keyed_and_parts_are_those_of_the_whole() -> None:
    generator, z = small(), torch.randn(12, 6)
    for layer in generator.modules():
        if hasattr(layer, "strength"):
            layer.strength.data.fill_(1.0)
    whole, again, part = drawn(generator, z), drawn(generator, z), drawn(generator, z, slice(3, 8))
    torch.testing.assert_close(whole.samples, again.samples, rtol=0, atol=0)
    torch.testing.assert_close(part.samples, whole.samples[3:8])
    plain = generator.mapping(z)
    torch.testing.assert_close(whole.styles[:, 0], plain)
    mixed = (whole.styles[:, -1] - plain).abs().amax(1) > 0
    assert 8 <= mixed.sum() <= 12  # 90%
    still = small(mixing=0.0)
    made = drawn(still, z)
    torch.testing.assert_close(made.styles, still.mapping(z)[:, None].expand(-1, still.layers, -1))


def test_the_mean_style_is_followed_in_training_only() -> None:
    generator, z = small(), torch.randn(5, 6)
    generator.eval()(z)
    assert generator.mean_style.abs().max() == 0
    generator.train()
    expected = torch.zeros(8)
    for _ in range(3):
        drawn(generator, z)
        expected = torch.lerp(expected, generator.mapping(z).mean(0), 1 - MEAN_DECAY)
    torch.testing.assert_close(generator.mean_style, expected)
    assert "mean_style" in generator.state_dict()


def test_truncation_draws_styles_to_the_mean_and_other_latents_to_zero() -> None:
    generator, z = small().eval(), torch.randn(3, 6)
    generator.mean_style.normal_()
    at = torch.tensor([0.0, 0.5, 1.0])
    styles = styles_of(generator, z, None, at)
    w = generator.mapping(z)
    torch.testing.assert_close(styles[0], generator.mean_style.expand(generator.layers, -1))
    torch.testing.assert_close(styles[1, 0], (w[1] + generator.mean_style) / 2)
    torch.testing.assert_close(styles[2, -1], w[2])
    images = truncated(generator, z, None, at)
    torch.testing.assert_close(images[2:], generator(z[2:]), rtol=1e-4, atol=1e-5)
    plain = torch.nn.Linear(6, 2, bias=False)
    assert not has_styles(plain)
    torch.testing.assert_close(truncated(plain, z, None, at), plain(z) * at[:, None])


def test_labels_enter_the_mapping_and_the_projection() -> None:
    generator = small(8, condition="embedding", classes=3).eval()
    judge = StyleGAN2Discriminator((1, 8, 8), width=4, condition="projection", classes=3)
    z, labels = torch.randn(4, 6), torch.tensor([0, 1, 2, 1])
    images = generator(z, labels)
    assert not torch.allclose(images[1], generator(z[1:2], labels[:1])[0])
    with pytest.raises(InputError, match="labels"):
        generator(z)
    said = judge(images, labels, whole=True)
    assert isinstance(said, Judgement)
    assert said.features is not None
    assert said.features.shape == (4, 8)
    # <e_y, f> / sqrt(F) beside the equalized logit.
    table = judge.head.embedding
    expected = judge.head.logit(said.features)[:, 0] + (
        (table.weight[labels] * said.features).sum(1) / 8**0.5  # type: ignore[union-attr,index]
    )
    torch.testing.assert_close(said.logits, expected)


def test_the_discriminator_sees_how_much_a_batch_varies() -> None:
    with seeded(0):
        judge = StyleGAN2Discriminator((1, 8, 8), width=4)
        alone = StyleGAN2Discriminator((1, 8, 8), width=4, minibatch="none")
    x = torch.randn(4, 1, 8, 8)
    other = torch.cat([x[:1], torch.randn(3, 1, 8, 8)])
    assert not torch.allclose(judge(x)[0], judge(other)[0])
    torch.testing.assert_close(alone(x)[0], alone(other)[0])
    assert not any(getattr(layer, "couples_batch", False) for layer in alone.modules())
