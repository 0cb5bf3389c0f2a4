"""The filter [1, 3, 3, 1] against upsampling by zeros, filtering, downsampling, one by one."""

import pytest
import torch
from torch import Tensor

from sparring.networks.resample import TAPS, Doubled, Filter, Halved


def reference(x: Tensor, up: int, down: int, before: int, after: int, gain: float) -> Tensor:
    """Zeros between pixels, zeros around, correlation with the taps, every `down`-th pixel."""
    count, channels, height, width = x.shape
    spread = torch.zeros(count, channels, up * height, up * width)
    spread[:, :, ::up, ::up] = x
    spread = torch.nn.functional.pad(spread, (before, after, before, after))
    out = torch.zeros(*spread.shape[:2], spread.shape[2] - 3, spread.shape[3] - 3)
    for i, a in enumerate(TAPS):
        for j, b in enumerate(TAPS):
            out += a * b * spread[:, :, i : i + out.shape[2], j : j + out.shape[3]]
    return gain * out[:, :, ::down, ::down] / 64


@pytest.mark.parametrize("size", [4, 7, 25])
def test_each_form_is_the_filter_written_out(size: int) -> None:
    x = torch.randn(2, 3, size, size)
    torch.testing.assert_close(Filter(2)(x), reference(x, 1, 1, 2, 2, 1.0))
    halved = reference(x, 1, 2, 1, 1, 1.0)[:, :, : size // 2, : size // 2]
    torch.testing.assert_close(Halved()(x), halved)
    # A zero follows the last pixel, so that there is one more before than after.
    torch.testing.assert_close(Doubled()(x), reference(x, 2, 1, 2, 1, 4.0))


def test_a_flat_image_stays_flat_away_from_the_edges() -> None:
    x = torch.ones(1, 1, 8, 8)
    for layer, edge in ((Filter(2), 2), (Halved(), 1), (Doubled(), 1)):
        middle = layer(x)[..., edge:-edge, edge:-edge]
        torch.testing.assert_close(middle, torch.ones_like(middle))
    assert not Filter(2).state_dict()  # nothing learned, nothing to keep
