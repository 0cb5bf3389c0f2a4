"""The precision-recall curve: ends that are known, and clusters that are."""

import pytest
import torch

from sparring.metrics import Comparison
from sparring.metrics.curve import curve_of_shares, k_means, precision_recall_curve


def normal(count: int, shift: float = 0.0, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(count, 4, generator=draw, dtype=torch.float64) + shift


def test_the_same_set_is_perfect_and_a_disjoint_one_worthless() -> None:
    real = normal(300)
    same = precision_recall_curve(Comparison(real, real, real))
    assert same.best(8) == pytest.approx(1)
    assert same.best(1 / 8) == pytest.approx(1)
    assert same.precision.max().item() == pytest.approx(1)
    apart = precision_recall_curve(Comparison(real, real + 100, real))
    assert apart.precision.max().item() == pytest.approx(0, abs=1e-9)
    assert apart.best(8) == pytest.approx(0, abs=1e-6)


def test_two_places_by_hand() -> None:
    """Half of the real data, all of it right: precision 1 up to recall ½, then at a price."""
    real = torch.tensor([0.5, 0.5], dtype=torch.float64)
    fake = torch.tensor([1.0, 0.0], dtype=torch.float64)
    curve = curve_of_shares(real, fake)
    assert curve.recall.max().item() == pytest.approx(0.5)
    assert curve.precision.max().item() == pytest.approx(1)
    assert curve.precision[curve.recall.argmax()].item() <= 1
    # At slope λ precision is min(λ/2, 1) and recall min(½, 1/λ): the corner is (1, ½) at λ = 2.
    corner = curve.precision >= 1 - 1e-9
    assert curve.recall[corner].max().item() == pytest.approx(0.5, abs=2e-3)
    assert curve.best(1) == pytest.approx(2 / 3, abs=2e-3)


def test_dropped_modes_cost_recall_and_junk_costs_precision() -> None:
    places = [20.0 * k for k in range(4)]
    real = torch.cat([normal(200, shift, k) for k, shift in enumerate(places)])
    dropped = torch.cat([normal(400, shift, 9) for shift in places[:2]])
    curve = precision_recall_curve(Comparison(real, dropped, dropped))
    assert curve.best(8) == pytest.approx(0.5, abs=0.08)
    assert curve.best(1 / 8) > 0.9
    junk = torch.cat([real[::2], normal(400, 1000.0)])
    curve = precision_recall_curve(Comparison(real, junk, junk))
    assert curve.best(8) > 0.9
    assert curve.best(1 / 8) == pytest.approx(0.5, abs=0.08)


def test_clusters_far_apart_are_found() -> None:
    points = torch.cat([normal(50, 100.0 * k, k) for k in range(5)]).float()
    cluster = k_means(points, 5).view(5, 50)
    assert (cluster == cluster[:, :1]).all()
    assert len(cluster[:, 0].unique()) == 5
    assert len(k_means(torch.zeros(10, 2), 3).unique()) == 1  # fewer points than clusters
