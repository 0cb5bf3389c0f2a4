"""The benchmark of failures: what it trains is a recipe, and its truth is the outcome."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from sparring.recipes import load_recipe

sys.path.insert(0, str(Path(__file__).parent.parent))  # benchmarks are no part of the package
from benchmarks.referee.gallery import FAILURES
from benchmarks.referee.outcome import sliced
from benchmarks.referee.replay import is_held_out
from benchmarks.referee.rescue import SAVABLE
from benchmarks.referee.settings import BASES, BROKEN, SETTINGS
from benchmarks.referee.truth import truth

REFERENCE = [{"finite": True, "distance": d, "covered": 9, "of": 10} for d in (30.0, 36.0, 33.0)]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_a_recipe_and_has_a_reference(name: str) -> None:
    setting = SETTINGS[name]
    recipe = load_recipe(BASES[setting.base].recipe, setting.overrides(3))
    assert recipe.seed == 3
    assert not SETTINGS[setting.reference].broken
    assert bool(setting.causes) == setting.broken


def test_there_are_as_many_healthy_settings_as_broken_ones_in_many_ways() -> None:
    broken = [one for one in SETTINGS.values() if one.broken]
    assert len(BROKEN) >= 14
    assert len({one.base for one in broken}) >= 3
    assert len(SETTINGS) - len(broken) >= len(broken)


def test_what_is_rescued_and_shown_are_settings() -> None:
    assert {*SAVABLE, *FAILURES.values()} <= SETTINGS.keys()


def test_about_half_of_the_settings_are_held_out() -> None:
    for broken in (True, False):
        held_out = [is_held_out(one) for one in SETTINGS.values() if one.broken == broken]
        assert 0.3 < sum(held_out) / len(held_out) < 0.6


@pytest.mark.parametrize(
    ("outcome", "verdict", "why"),
    [
        ({"finite": False}, "unhealthy", "nothing finite is left"),
        ({"finite": True, "distance": 40.0, "covered": 9, "of": 10}, "healthy", ""),
        # Bound: twice the median of 33 and the spread of 6.
        ({"finite": True, "distance": 73.0, "covered": 9, "of": 10}, "unhealthy", "distance"),
        ({"finite": True, "distance": 60.0, "covered": 9, "of": 10}, "between", "distance"),
        ({"finite": True, "distance": 30.0, "covered": 5, "of": 10}, "unhealthy", "covered"),
        (
            {"finite": True, "distance": 5.0, "covered": 9, "of": 10, "copies": 0.9},
            "unhealthy",
            "copies",
        ),
    ],
)
def test_truth_is_what_came_of_it(outcome: dict[str, object], verdict: str, why: str) -> None:
    assert truth(outcome, REFERENCE) == (verdict, why)


def test_images_of_other_classes_than_asked_for_are_unhealthy() -> None:
    usual = [one | {"agreement": 0.7} for one in REFERENCE]
    asked = {"finite": True, "distance": 33.0, "covered": 9, "of": 10}
    assert truth(asked | {"agreement": 0.65}, usual).verdict == "healthy"
    assert truth(asked | {"agreement": 0.1}, usual) == ("unhealthy", "agreement")


def test_the_sliced_distance_of_a_shift_is_its_mean_length_over_directions() -> None:
    x = torch.randn(500, 1).double()
    assert sliced(x, x + 2).item() == pytest.approx(2)
    plane = torch.randn(400, 2).double()
    shift = torch.tensor([1.0, 0.0]).double()
    assert sliced(plane, plane + shift).item() == pytest.approx(2 / torch.pi, abs=0.08)
