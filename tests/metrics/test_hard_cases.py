"""Sets that broke other programs: wider than they are long, constant, doubled, or the same."""

import math

import pytest
import torch
from torch import Tensor

from sparring.metrics import METRICS, Comparison, Estimate
from sparring.metrics.fid import frechet_distance, moments

ON_FEATURES = ("fid", "kid", "precision", "recall", "density", "coverage")


def drawn(count: int, size: int, seed: int) -> Tensor:
    """Features as rectified units put them out."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, generator=draw, dtype=torch.float64).relu()


def scored(name: str, real: Tensor, fake: Tensor) -> Estimate:
    return METRICS[name].function(Comparison(real, fake, fake))


def error_of(estimate: Estimate) -> float:
    assert estimate.error is not None
    return estimate.error


@pytest.mark.parametrize(("n", "m"), [(40, 40), (25, 60), (2, 70)])
def test_fid_of_fewer_samples_than_features_is_that_of_their_moments(n: int, m: int) -> None:
    real, fake = drawn(n, 70, 1), 1.5 * drawn(m, 70, 2)
    expected = frechet_distance(*moments(real), *moments(fake))
    estimate = scored("fid", real, fake)
    assert estimate.value == pytest.approx(expected, rel=1e-6)
    assert "fewer samples than features (70)" in estimate.flags


def test_its_error_leaves_out_a_tenth_at_a_time() -> None:
    real, fake = drawn(40, 70, 1), 1.5 * drawn(50, 70, 2)
    left = []
    for tenth in range(10):
        kept = []
        for side in (real, fake):
            parts = list(side.tensor_split(10))
            del parts[tenth]
            kept.append(torch.cat(parts))
        left.append(frechet_distance(*moments(kept[0]), *moments(kept[1])))
    values = torch.tensor(left, dtype=torch.float64)
    expected = (9 * values.var(correction=0)).sqrt().item()
    assert error_of(scored("fid", real, fake)) == pytest.approx(expected, rel=1e-5)
    assert scored("fid", real[:19], fake).error is None


@pytest.mark.parametrize(("count", "size"), [(60, 2048), (300, 64), (2, 2048), (30, 30), (31, 30)])
def test_a_set_is_at_no_distance_from_itself(count: int, size: int) -> None:
    real = 3 * drawn(count, size, 3)
    assert scored("fid", real, real.flip(0)).value < 1e-6
    if count > 5:
        for name in ("precision", "recall", "coverage"):
            assert scored(name, real, real.flip(0)).value == 1


@pytest.mark.parametrize("size", [8, 200])
def test_sets_of_one_point_each(size: int) -> None:
    """The squared distance of the points, and the kernel's; nobody is near anybody."""
    real = torch.full((100, size), 2.0, dtype=torch.float64)
    fake = real + 1
    assert scored("fid", real, fake).value == pytest.approx(size)
    assert scored("kid", real, fake).value == pytest.approx(5**3 + 10**3 - 2 * 7**3)
    assert scored("fid", real, real).value == 0
    assert scored("kid", real, real).value == pytest.approx(0, abs=1e-9)
    for name in ("precision", "recall", "density", "coverage"):
        assert scored(name, real, fake).value == 0
    assert scored("two-sample", real, fake).value == 1


@pytest.mark.parametrize("size", [16, 250])
def test_doubled_samples(size: int) -> None:
    real = drawn(300, size, 4)
    doubled = drawn(50, size, 5).repeat(6, 1)
    for name in ON_FEATURES:
        estimate = scored(name, real, doubled)
        assert math.isfinite(estimate.value)
        assert math.isfinite(error_of(estimate))
    assert scored("fid", doubled, doubled.clone()).value < 1e-6
    assert scored("precision", doubled, doubled.clone()).value == 1
    assert scored("recall", real, real[:50].repeat(6, 1)).value == pytest.approx(1 / 6)


@pytest.mark.parametrize("size", [16, 250])
def test_constant_features_add_nothing(size: int) -> None:
    real, fake = drawn(200, size, 6), drawn(200, size, 7)
    dead = torch.full((200, 5), 7.0, dtype=torch.float64)
    for name in ("fid", "precision", "recall", "density", "coverage"):  # kid divides by the width
        expected = scored(name, real, fake).value
        widened = scored(name, torch.cat([real, dead], 1), torch.cat([fake, dead], 1)).value
        assert widened == pytest.approx(expected, rel=1e-6, abs=1e-6)
