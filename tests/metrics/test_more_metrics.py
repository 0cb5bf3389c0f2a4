"""Metrics against closed forms, and their standard errors against repetition."""

import math

import pytest
import torch
from torch import Tensor

from sparring.data import Dataset, open_data
from sparring.errors import InputError
from sparring.metrics import METRICS, Comparison, Scorer
from sparring.metrics.copies import nearest, share_of_pairs
from sparring.metrics.vectors import quantile_distance
from sparring.recipe import Data

DRAW = torch.Generator().manual_seed(0)


def normal(count: int, size: int = 8) -> Tensor:
    return torch.randn(count, size, generator=DRAW, dtype=torch.float64)


def value(name: str, comparison: Comparison) -> float:
    return METRICS[name].function(comparison).value


@pytest.mark.parametrize("name", ["fid", "kid"])
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_intervals_cover_the_truth(name: str, shift: float) -> None:
    """Standard errors agree with the spread over repetitions; kid's intervals hold the mean."""
    found = []
    for _ in range(120):
        real, fake = normal(300), normal(300) + shift
        found.append(METRICS[name].function(Comparison(real, fake, fake)))
    values = torch.tensor([one.value for one in found])
    errors = torch.tensor([one.error for one in found])
    if name == "kid":
        truth = 0.0 if shift == 0 else values.mean().item()
        assert 0.88 <= ((values - truth).abs() <= 1.96 * errors).float().mean() <= 1
    if shift:
        assert errors.mean() == pytest.approx(values.std().item(), rel=0.25)


def test_wasserstein_of_shifted_and_scaled_numbers() -> None:
    real = normal(4000, 1)
    assert value("wasserstein", Comparison(real, real + 3, real + 3)) == pytest.approx(3)
    widened = Comparison(real, 2 * real, real)
    assert value("wasserstein", widened) == pytest.approx(real.abs().mean().item())


def test_wasserstein_of_different_numbers_of_samples() -> None:
    """{0, 0, 3} against {0, 6}: a third moves by 6 - 3 = 3, a sixth by 6."""
    real = torch.tensor([[0.0], [0], [3]], dtype=torch.float64)
    fake = torch.tensor([[0.0], [6]], dtype=torch.float64)
    assert quantile_distance(real, fake).item() == pytest.approx(3 / 3 + 6 / 6)


def test_sliced_wasserstein_of_a_shift_in_the_plane() -> None:
    """The mean of |cos| over directions is 2/π."""
    real = normal(500, 2)
    moved = real + torch.tensor([3.0, 4.0], dtype=torch.float64)
    found = value("wasserstein", Comparison(real, moved, moved))
    assert found == pytest.approx(5 * 2 / math.pi, rel=0.06)


def test_moments_are_told_in_real_deviations() -> None:
    real = normal(1000, 2)
    fake = real * torch.tensor([1.0, 1.5], dtype=torch.float64)
    estimate = METRICS["moments"].function(Comparison(real, fake, fake))
    assert estimate.value == pytest.approx(0.5, abs=1e-6)
    assert estimate.flags[0].startswith("mean ")


def test_inception_score_by_hand() -> None:
    """Certain and even over ten classes: 10; the same answer for all: 1."""
    sure = 50 * torch.eye(10, dtype=torch.float64).repeat(100, 1)
    empty = torch.zeros(1000, 1)
    assert value("is", Comparison(empty, empty, empty, logits=sure)) == pytest.approx(10)
    same = sure[:1].expand(1000, -1)
    assert value("is", Comparison(empty, empty, empty, logits=same)) == pytest.approx(1)


def test_pairs_by_hand() -> None:
    smaller, larger = torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0])
    assert share_of_pairs(smaller, larger)[0] == pytest.approx((1 + 1 + 0.5 + 1) / 4)


def test_memorization_knows_copies_from_new_samples() -> None:
    train, held_out, fresh = normal(500), normal(200), normal(200)
    copies = train[:200] + 0.01 * normal(200)

    def found(fake: Tensor) -> float:
        return value(
            "memorization",
            Comparison(held_out, fake, fake, train=lambda: train.split(90), held_out=held_out),
        )

    assert found(fresh) == pytest.approx(0.5, abs=0.1)
    assert found(copies) > 0.99
    assert found(10 * fresh) < 0.01
    assert nearest([copies], [train])[0].max() < 0.1


def test_two_sample_is_a_half_for_equal_and_one_for_different() -> None:
    equal = METRICS["two-sample"].function(Comparison(normal(1500), normal(1500), normal(2)))
    assert equal.error is not None
    assert abs(equal.value - 0.5) < 4 * equal.error
    apart = Comparison(normal(500), normal(500) + 2, normal(2))
    assert value("two-sample", apart) > 0.95


def test_dropped_modes_lower_recall_and_coverage_but_not_precision() -> None:
    real = torch.cat([normal(300) + 20 * k for k in range(4)])
    fake = torch.cat([normal(300), normal(300) + 20])
    comparison = Comparison(real, fake, fake)
    assert value("precision", comparison) > 0.85
    assert value("recall", comparison) < 0.55
    assert value("coverage", comparison) < 0.55
    assert value("density", comparison) == pytest.approx(1, abs=0.2)


def test_real_digits_against_real_digits() -> None:
    digits = open_data(Data())
    fresh = digits.split("select")
    scorer = Scorer(digits, "test")
    names = ["is", "precision", "recall", "coverage", "density", "two-sample", "memorization"]
    records = scorer.score(fresh, names)
    assert records["is"].value > 9
    assert records["two-sample"].value == pytest.approx(0.5, abs=0.06)
    assert records["memorization"].value == pytest.approx(0.5, abs=0.06)
    assert min(records[name].value for name in ("precision", "recall", "coverage")) > 0.8
    copied = scorer.score(digits.split("train")[:500], ["memorization", "precision"])
    assert copied["memorization"].value == 1
    assert copied["precision"].value > 0.8  # blind to copies


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        ("patterns", "is", "needs classes"),
        ("mnist5k", "moments", "needs vectors"),
        ("mnist5k", "modes", "needs known modes"),
    ],
)
def test_what_a_metric_cannot_do_without(data: str, name: str, words: str) -> None:
    dataset: Dataset = open_data(Data(name=data))
    with pytest.raises(InputError, match=words):
        Scorer(dataset, "test").score(dataset.split("test"), [name])
