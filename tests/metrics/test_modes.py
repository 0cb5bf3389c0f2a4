"""Modes covered and samples near them, on samples whose answer is known."""

import math

import pytest
import torch

from helpers import toy
from sparring.metrics import Comparison
from sparring.metrics.modes import kl_to_even, modes, nearest_modes


def answer(samples: torch.Tensor, name: str) -> tuple[float, str]:
    estimate = modes(Comparison(samples, samples, samples, toy(name)))
    return estimate.value, estimate.flags[0]


def test_samples_near_some_modes() -> None:
    ring = toy("ring")
    assert ring.modes is not None
    centers = ring.modes.centers
    near = centers[:3] + torch.tensor([0.0, 0.059])  # within three standard deviations of 0.02
    away = centers[3:6] + torch.tensor([0.0, 0.061])
    value, flag = answer(torch.cat([near, near, away]), "ring")
    assert value == 3
    assert flag == "3 of 8 modes, 66.7% of samples near one"
    index, good = nearest_modes(torch.cat([near, away]), ring)
    assert index.tolist() == [0, 1, 2, 3, 4, 5]
    assert good.tolist() == [True] * 3 + [False] * 3


@pytest.mark.parametrize(("name", "count", "share"), [("ring", 8, 0.989), ("grid", 25, 0.989)])
def test_real_samples_cover_all_modes(name: str, count: int, share: float) -> None:
    """In the plane 98.9% of a Gaussian lie within three standard deviations."""
    samples = toy(name).split("test")
    assert answer(samples, name)[0] == count
    _, good = nearest_modes(samples, toy(name))
    assert good.float().mean().item() == pytest.approx(share, abs=0.004)


def test_images_are_measured_by_their_mean_grey_level() -> None:
    patterns = toy("patterns")
    assert patterns.modes is not None
    real = patterns.modes.centers
    assert answer(real, "patterns") == (16, "16 of 16 modes, 100.0% of samples near one")
    # 6 of 64 pixels wrong by 255 are 23.9 grey levels on average, 7 are 27.9; 25.5 is the limit.
    for wrong, good in ((6, True), (7, False)):
        image = real[:1].clone()
        image.view(-1)[-wrong:] = 255
        assert nearest_modes(image, patterns)[1].item() is good


def test_nothing_is_covered_by_samples_far_away() -> None:
    assert answer(torch.full((5, 2), 77.0), "grid") == (
        0,
        "0 of 25 modes, 0.0% of samples near one",
    )


def test_divergence_from_even_modes_by_hand() -> None:
    assert kl_to_even(torch.tensor([5, 5, 5, 5])) == pytest.approx(0)
    assert kl_to_even(torch.tensor([7, 0, 0, 0])) == pytest.approx(math.log(4))
    three_to_one = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert kl_to_even(torch.tensor([3, 1])) == pytest.approx(three_to_one)
    assert kl_to_even(torch.tensor([0, 0])) == math.inf


def test_only_good_samples_count_for_the_divergence() -> None:
    centers = toy("ring").modes
    assert centers is not None
    samples = torch.cat([centers.centers[:2].repeat(40, 1), torch.full((300, 2), 9.0)])
    estimate = modes(Comparison(samples, samples, samples, toy("ring")))
    assert estimate.more == {
        "good_share": pytest.approx(80 / 380),
        "kl": pytest.approx(math.log(8 / 2)),
    }


def test_few_samples_cannot_cover_many_modes() -> None:
    """25 draws of 25 modes miss (24/25)^25 = 36% of them."""
    grid = toy("grid")
    for count, told in ((25, True), (250, False)):
        samples = grid.split("test")[:count]
        flags = modes(Comparison(samples, samples, samples, grid)).flags
        assert any("only 25 samples for 25 modes: a perfect" in flag for flag in flags) is told
    assert "would cover 16" in modes(Comparison(samples, samples, samples[:25], grid)).flags[2]
