"""The kernel distance against a double loop, its expectation, and its independence of size."""

import math

import pytest
import torch
from torch import Tensor

from sparring.metrics import Comparison
from sparring.metrics.kid import kernel_distance, kid


def drawn(count: int, size: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, generator=draw, dtype=torch.float64)


def by_double_loop(real: list[list[float]], fake: list[list[float]]) -> float:
    """The definition, one pair at a time, without a sample's product with itself."""

    def kernel(x: list[float], y: list[float]) -> float:
        return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    within = mean([kernel(x, y) for i, x in enumerate(real) for j, y in enumerate(real) if i != j])
    other = mean([kernel(x, y) for i, x in enumerate(fake) for j, y in enumerate(fake) if i != j])
    return within + other - 2 * mean([kernel(x, y) for x in real for y in fake])


@pytest.mark.parametrize(("n", "m", "size"), [(7, 5, 3), (2, 2, 1), (3, 20, 6)])
def test_it_is_the_double_loop(n: int, m: int, size: int) -> None:
    real, fake = drawn(n, size, 1), 2 * drawn(m, size, 2) + 0.5
    expected = by_double_loop(real.tolist(), fake.tolist())
    assert kernel_distance(real, fake) == pytest.approx(expected, rel=1e-10)
    assert kid(Comparison(real, fake, fake)).value == pytest.approx(expected, rel=1e-10)


def test_it_estimates_the_distance_of_moments() -> None:
    """For numbers the kernel compares moments: (m₃ - n₃)² + 3 (m₂ - n₂)² + 3 (m₁ - n₁)².

    N(0, 1) has the moments 0, 1, 0 and N(1, 1) has 1, 2, 4.
    """
    values = [kernel_distance(drawn(500, 1, s), drawn(500, 1, s + 1000) + 1) for s in range(200)]
    mean = sum(values) / 200
    error = math.sqrt(sum((v - mean) ** 2 for v in values) / 199 / 200)
    assert error < 1
    assert mean == pytest.approx(16 + 3 + 3, abs=4 * error)


@pytest.mark.parametrize("count", [10, 50])
def test_sets_of_one_distribution_are_at_no_distance_on_average(count: int) -> None:
    values = [kernel_distance(drawn(count, 4, s), drawn(count, 4, s + 5000)) for s in range(1000)]
    mean = sum(values) / 1000
    error = math.sqrt(sum((v - mean) ** 2 for v in values) / 999 / 1000)
    assert abs(mean) < 4 * error
    assert min(values) < 0  # an unbiased estimate has to be
    # Counting a sample's product with itself would be seen here.
    biased = 2 * (2.0**3 - 1) / count / 2
    assert 4 * error < biased


def test_large_sets_are_compared_in_blocks() -> None:
    real, fake = drawn(4000, 3, 1), drawn(6000, 3, 2) + 0.1
    estimate = kid(Comparison(real, fake, fake))
    halves = [kernel_distance(real[:2000], fake[:3000]), kernel_distance(real[2000:], fake[3000:])]
    assert estimate.value == pytest.approx(sum(halves) / 2, rel=1e-12)
    assert estimate.error is not None
    assert 0.002 < estimate.error < 0.05


@pytest.mark.parametrize("count", [4001, 5999])
def test_any_number_of_samples_can_be_cut_into_blocks(count: int) -> None:
    real, fake = drawn(count, 2, 1), drawn(10_000, 2, 2)
    assert kid(Comparison(real, fake, fake)).value == pytest.approx(0, abs=0.05)


def test_what_was_kept_of_the_real_side_fits_any_number_of_generated_samples() -> None:
    real, many = drawn(4100, 3, 1), drawn(4000, 3, 2) + 0.1
    kept: dict[str, object] = {}
    for fake in (many, many[:500], many - 0.05):
        again = kid(Comparison(real, fake, fake, kept=kept))
        assert again.value == kid(Comparison(real, fake, fake)).value
    assert len(kept) == 2  # in two blocks, and in one
