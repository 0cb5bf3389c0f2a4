"""Equalized layers against their formulas."""

import math

import pytest
import torch
from torch.nn.functional import conv2d, linear

from sparring.networks.equalized import EqualizedConv2d, EqualizedLinear, pixel_norm


@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_linear_is_scaled_by_its_fan_in(rate: float) -> None:
    torch.manual_seed(0)
    layer, x = EqualizedLinear(64, 200, rate, bias=0.5), torch.randn(5, 64)
    # What is learned has a spread of 1 / rate, what is used one of 1 / sqrt(fan in).
    assert layer.weight.std().item() == pytest.approx(1 / rate, rel=0.03)
    expected = linear(x, layer.weight * rate / 8, torch.full((200,), 0.5))
    torch.testing.assert_close(layer(x), expected)


def test_a_slow_layer_moves_by_its_rate() -> None:
    """One step of SGD moves the output rate squared times as far: scale once, gradient once."""
    moved = {}
    for rate in (1.0, 0.1):
        torch.manual_seed(0)
        layer, x = EqualizedLinear(4, 1, rate), torch.ones(1, 4)
        before = layer(x)
        before.sum().backward()
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter -= parameter.grad
        moved[rate] = (layer(x) - before).item()
    assert moved[0.1] == pytest.approx(0.01 * moved[1.0], rel=1e-3)


def test_convolution_is_scaled_by_its_fan_in() -> None:
    torch.manual_seed(0)
    layer, x = EqualizedConv2d(8, 4), torch.randn(2, 8, 6, 6)
    expected = conv2d(x, layer.weight / math.sqrt(72), padding=1)
    torch.testing.assert_close(layer(x), expected)
    assert EqualizedConv2d(8, 4, kernel=1)(x).shape == (2, 4, 6, 6)


def test_pixel_norm_makes_every_pixel_a_unit() -> None:
    x = 7 * torch.randn(3, 16, 4, 4)
    torch.testing.assert_close(pixel_norm(x).square().mean(dim=1), torch.ones(3, 4, 4))
    assert pixel_norm(torch.zeros(1, 4)).abs().max() == 0
    exact = pixel_norm(x.double()).square().mean(dim=1)
    torch.testing.assert_close(exact, torch.ones(3, 4, 4).double(), rtol=0, atol=5e-9)
