"""Modulation and demodulation against a convolution with weights of each sample's own."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d

from sparring.networks.equalized import EqualizedLinear
from sparring.networks.layers import keyed_noise
from sparring.networks.modulated import ModulatedConv2d, NoiseInput, StyledConv, ToImage
from sparring.networks.resample import Filter
from sparring.randomness import keyed


def direct(layer: ModulatedConv2d, x: Tensor, style: Tensor, up: bool) -> Tensor:
    """Equations 1 and 3 of the paper for each sample, then its own convolution."""
    found = []
    for sample, factors in zip(x, layer.style(style), strict=True):
        weight = layer.weight * layer.scale * factors[None, :, None, None]
        if layer.demodulate:
            weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            wide = conv_transpose2d(sample[None], weight.transpose(0, 1), stride=2)
            found.append(Filter(1, gain=4.0)(wide))
        else:
            found.append(conv2d(sample[None], weight, padding=layer.padding))
    return torch.cat(found)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize(("kernel", "demodulate"), [(3, True), (3, False), (1, False), (1, True)])
def test_it_equals_a_direct_convolution_of_each_sample(
    kernel: int, demodulate: bool, up: bool
) -> None:
    if up and kernel == 1:
        return
    torch.manual_seed(0)
    layer = ModulatedConv2d(24, 16, 8, kernel, up, demodulate)
    x, style = torch.randn(5, 24, 7, 7), 2 * torch.randn(5, 8)
    maps, factor = layer(x, style)
    expected = direct(layer, x, style, up)
    scale = expected.abs().max().item()
    assert maps.shape[2:] == ((14, 14) if up else (7, 7))
    assert (maps * factor - expected).abs().max().item() <= 1e-5 * max(scale, 1.0)


def test_its_gradients_are_those_of_the_direct_convolution() -> None:
    torch.manual_seed(0)
    layer = ModulatedConv2d(6, 4, 3)
    x, style = torch.randn(3, 6, 5, 5), torch.randn(3, 3)
    weights = torch.randn(3, 4, 5, 5)
    found = []
    for way in ("shared", "direct"):
        maps, factor = layer(x, style)
        made = maps * factor if way == "shared" else direct(layer, x, style, up=False)
        found.append(torch.autograd.grad((made * weights).sum(), list(layer.parameters())))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_demodulated_maps_keep_their_spread_whatever_the_style() -> None:
    torch.manual_seed(0)
    layer = ModulatedConv2d(64, 64, 8)
    x = torch.randn(4, 64, 16, 16)
    maps, factor = layer(x, 100 * torch.randn(4, 8))
    spread = (maps * factor)[..., 1:-1, 1:-1].std((1, 2, 3))
    torch.testing.assert_close(spread, torch.ones(4), rtol=0.15, atol=0)


def test_the_styles_of_a_fresh_layer_are_around_one_and_equalized() -> None:
    torch.manual_seed(0)
    style = ModulatedConv2d(512, 4, 64).style
    assert isinstance(style, EqualizedLinear)
    factors = style(torch.randn(100, 64))
    assert factors.mean().item() == pytest.approx(1, abs=0.05)
    assert factors.std().item() == pytest.approx(1, abs=0.05)


def test_a_styled_layer_is_the_published_order_of_operations() -> None:
    """Convolution, noise, bias, then leaky ReLU times the root of two."""
    torch.manual_seed(0)
    layer = StyledConv(4, 6, 3, size=5).eval()
    layer.noise.strength.data.fill_(0.7)
    layer.bias.data.normal_()
    x, style = torch.randn(2, 4, 5, 5), torch.randn(2, 3)
    plain = direct(layer.convolution, x, style, up=False)
    plain = plain + 0.7 * layer.noise.constant + layer.bias[:, None, None]
    expected = torch.nn.functional.leaky_relu(plain, 0.2) * 2**0.5
    torch.testing.assert_close(layer(x, style), expected, rtol=1e-4, atol=1e-5)
    image = ToImage(4, 3, 3)
    image.bias.data.normal_()
    expected = direct(image.convolution, x, style, up=False) + image.bias[:, None, None]
    torch.testing.assert_close(image(x, style), expected, rtol=1e-4, atol=1e-5)


def test_noise_is_drawn_by_key_in_training_and_constant_at_rest() -> None:
    layer, x = NoiseInput(16), torch.zeros(8, 3, 16, 16)
    layer.strength.data.fill_(2.0)

    def noise(key: int, part: slice = slice(0, 8)) -> Tensor:
        layer.noise = keyed_noise(keyed("noise", key), 8, part)
        return layer(x[part])

    torch.testing.assert_close(noise(1), noise(1), rtol=0, atol=0)
    assert not torch.equal(noise(1), noise(2))
    torch.testing.assert_close(noise(1)[2:5], noise(1, slice(2, 5)), rtol=0, atol=0)
    drawn = noise(3) / 2
    assert drawn.shape == (8, 1, 16, 16)
    assert drawn.mean().item() == pytest.approx(0, abs=0.08)
    assert drawn.std().item() == pytest.approx(1, abs=0.06)
    assert drawn.abs().max().item() < 4.5
    layer.noise = None
    assert layer(x).isfinite().all()
    at_rest = layer.eval()
    torch.testing.assert_close(at_rest(x), 2 * layer.constant, rtol=0, atol=0)
    assert "constant" in layer.state_dict()
