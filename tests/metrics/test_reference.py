"""Parity with torch-fidelity and prdc on the same features, and cases that broke others."""

import numpy as np
import pytest
import torch
from torch import Tensor

from sparring.metrics import METRICS, Comparison
from sparring.metrics.fid import frechet_distance, moments
from sparring.metrics.inception_score import split_scores
from sparring.metrics.kid import kernel_distance
from sparring.metrics.neighbours import ball_radii

fidelity_fid = pytest.importorskip("torch_fidelity.metric_fid", reason="needs torch-fidelity")
fidelity_kid = pytest.importorskip("torch_fidelity.metric_kid")
fidelity_isc = pytest.importorskip("torch_fidelity.metric_isc")
fidelity_prc = pytest.importorskip("torch_fidelity.metric_prc")
prdc = pytest.importorskip("prdc", reason="needs prdc")


def drawn(count: int, size: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, generator=draw, dtype=torch.float64).abs() * scale + shift


PAIRS = {
    "alike": (drawn(600, 32, 1), drawn(500, 32, 2)),
    "apart": (drawn(600, 32, 1), drawn(500, 32, 2, 1.3, 0.2)),
    "wide": (drawn(40, 64, 1), drawn(50, 64, 2, 0.7)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_fid(name: str) -> None:
    real, fake = PAIRS[name]
    statistics = [fidelity_fid.fid_features_to_statistics(side) for side in (real, fake)]
    theirs = fidelity_fid.fid_statistics_to_metric(*statistics, verbose=False)
    ours = frechet_distance(*moments(real), *moments(fake))
    assert ours == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", ["alike", "apart"])
def test_kid_on_the_same_subsets(name: str) -> None:
    real, fake = PAIRS[name]
    size, subsets = 100, 10
    theirs = fidelity_kid.kid_features_to_metric(
        real, fake, kid_subsets=subsets, kid_subset_size=size, rng_seed=2020, verbose=False
    )
    draw = np.random.RandomState(2020)
    ours = []
    for _ in range(subsets):
        chosen = [draw.choice(len(side), size, replace=False) for side in (real, fake)]
        ours.append(kernel_distance(real[chosen[0]], fake[chosen[1]]))
    mean, spread = np.mean(ours), np.std(ours)
    assert mean == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-6)
    assert spread == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-6)


def test_inception_score() -> None:
    logits = 3 * drawn(1003, 10, 4)
    theirs = fidelity_isc.isc_features_to_metric(logits, splits=10, shuffle=False)
    ours = split_scores(logits)
    assert ours.mean().item() == pytest.approx(theirs["inception_score_mean"], rel=1e-9)
    assert ours.std(correction=0).item() == pytest.approx(theirs["inception_score_std"], rel=1e-9)


@pytest.mark.parametrize("name", PAIRS)
def test_precision_and_recall(name: str) -> None:
    real, fake = PAIRS[name]
    theirs = fidelity_prc.prc_features_to_metric(fake, real, verbose=False, save_cpu_ram=False)
    comparison = Comparison(real, fake, fake)
    for key in ("precision", "recall"):
        assert METRICS[key].function(comparison).value == pytest.approx(theirs[key], rel=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_density_and_coverage(name: str) -> None:
    real, fake = PAIRS[name]
    theirs = prdc.compute_prdc(real.numpy(), fake.numpy(), nearest_k=5)
    comparison = Comparison(real, fake, fake)
    for key in ("density", "coverage"):
        assert METRICS[key].function(comparison).value == pytest.approx(theirs[key], rel=1e-6)


def test_a_constant_feature_and_duplicates_give_sane_results() -> None:
    real, fake = PAIRS["alike"]
    real, fake = real.clone(), fake.clone()
    real[:, 0] = fake[:, 0] = 7.0
    fake[250:] = fake[:250]
    comparison = Comparison(real, fake, fake)
    for name in ("fid", "kid", "precision", "recall", "density", "coverage", "two-sample"):
        estimate = METRICS[name].function(comparison)
        assert np.isfinite(estimate.value)
        assert estimate.error is not None
        assert np.isfinite(estimate.error)


def test_balls_by_hand() -> None:
    line = torch.tensor([[0.0], [1.0], [3.0], [7.0]], dtype=torch.float64)
    assert ball_radii(line, 1).tolist() == [1, 1, 2, 4]
    assert ball_radii(line, 2).tolist() == [3, 2, 3, 6]
