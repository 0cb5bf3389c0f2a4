"""The Fréchet distance against closed forms."""

import math

import pytest
import torch
from torch import Tensor

from sparring.metrics import Comparison
from sparring.metrics.fid import fid, frechet_distance, moments

D64 = torch.float64


def matrix(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=D64)


def drawn(count: int, size: int, seed: int = 0) -> Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed), dtype=D64)


def compared(real: Tensor, fake: Tensor) -> Comparison:
    return Comparison(real, fake, fake)


def test_diagonal_covariances_add_up_one_dimension_at_a_time() -> None:
    """In one dimension it is (μ - ν)² + (σ - τ)²."""
    mean1, mean2 = torch.tensor([1.0, -2, 0], dtype=D64), torch.tensor([4.0, -2, 1], dtype=D64)
    spread1, spread2 = torch.tensor([2.0, 3, 0], dtype=D64), torch.tensor([1.0, 5, 2], dtype=D64)
    distance = frechet_distance(mean1, spread1.square().diag(), mean2, spread2.square().diag())
    assert distance == pytest.approx((9 + 0 + 1) + (1 + 4 + 4), abs=1e-12)


def test_covariances_that_do_not_commute() -> None:
    """In two dimensions tr (A B)^½ is √(tr AB + 2 √(det A det B))."""
    a, b = matrix([2, 1.2], [1.2, 1]), matrix([1, -0.9], [-0.9, 3])
    assert not torch.allclose(a @ b, b @ a)
    root = math.sqrt((a @ b).trace() + 2 * math.sqrt(a.det() * b.det()))
    mean1, mean2 = torch.tensor([0.0, 0.5], dtype=D64), torch.tensor([0.3, 0.1], dtype=D64)
    expected = 0.09 + 0.16 + 2 + 1 + 1 + 3 - 2 * root
    assert frechet_distance(mean1, a, mean2, b) == pytest.approx(expected, abs=1e-12)
    assert frechet_distance(mean2, b, mean1, a) == pytest.approx(expected, abs=1e-12)


def test_singular_covariances() -> None:
    """For u uᵀ and v vᵀ the trace of the root is |u·v|."""
    u, v = torch.tensor([1.0, 2, 2], dtype=D64), torch.tensor([0.0, 3, -4], dtype=D64)
    zero = torch.zeros(3, dtype=D64)
    distance = frechet_distance(zero, u.outer(u), zero, v.outer(v))
    assert distance == pytest.approx(9 + 25 - 2 * abs(6 - 8), abs=1e-6)
    assert frechet_distance(zero, u.outer(u), u, 0 * u.outer(u)) == pytest.approx(18, abs=1e-6)


@pytest.mark.parametrize(("count", "size"), [(500, 64), (40, 64), (2, 3), (5000, 1)])
def test_a_set_has_no_distance_from_itself(count: int, size: int) -> None:
    x = 10 * drawn(count, size) + 3
    assert 0 <= fid(compared(x, x.flip(0))).value < 1e-6


def test_sets_are_compared_by_their_unbiased_moments() -> None:
    real = matrix([0.0], [2.0], [4.0])  # mean 2, variance 4
    fake = matrix([1.0], [3.0])  # mean 2, variance 2
    assert fid(compared(real, fake)).value == pytest.approx((2 - math.sqrt(2)) ** 2, abs=1e-12)
    mean, covariance = moments(drawn(100, 5))
    torch.testing.assert_close(covariance, torch.cov(drawn(100, 5).T))
    torch.testing.assert_close(mean, drawn(100, 5).mean(0))


def test_a_shifted_set_is_as_far_as_it_was_shifted() -> None:
    real = drawn(3000, 8)
    assert fid(compared(real, real + 0.5)).value == pytest.approx(8 * 0.25, abs=1e-9)


@pytest.mark.parametrize(("count", "bias"), [(128, 16.7), (2048, 1.0), (8192, 0.28)])
def test_few_samples_bias_it_upwards(count: int, bias: float) -> None:
    """Two sets of one distribution with 64 features: what its flag warns of."""
    value = fid(compared(drawn(count, 64, 1), drawn(count, 64, 2))).value
    assert value == pytest.approx(bias, rel=0.15)


@pytest.mark.parametrize(
    ("real", "fake", "flags"),
    [
        (2048, 2048, []),
        (2048, 2047, ["only 2047 samples"]),
        (500, 5000, ["only 500 samples"]),
        (5000, 8, ["only 8 samples", "fewer samples than features (8)"]),
    ],
)
def test_few_samples_are_flagged(real: int, fake: int, flags: list[str]) -> None:
    found = fid(compared(drawn(real, 8), drawn(fake, 8))).flags
    assert len(found) == len(flags)
    assert all(flag.startswith(start) for flag, start in zip(found, flags, strict=True))
