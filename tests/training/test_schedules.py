"""Rates and averages as functions of progress and of samples seen, in closed form."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from helpers import D, G, small_recipe, small_state
from sparring.networks.mlp import MLPGenerator
from sparring.recipe import Ema, Schedule
from sparring.training.ema import EMA
from sparring.training.step import run_step


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ({}, [1, 1, 1, 1, 1]),
        ({"name": "constant", "end": 0.5}, [1, 1, 1, 1, 1]),
        ({"name": "linear"}, [1, 0.75, 0.5, 0.25, 0]),
        ({"name": "linear", "end": 0.2}, [1, 0.8, 0.6, 0.4, 0.2]),
        ({"name": "linear", "end": 2}, [1, 1.25, 1.5, 1.75, 2]),
        ({"name": "cosine"}, [1, (2 + math.sqrt(2)) / 4, 0.5, (2 - math.sqrt(2)) / 4, 0]),
        ({"name": "cosine", "end": 0.1}, [1, 0.868198, 0.55, 0.231802, 0.1]),
        ({"name": "exponential", "end": 0.0016}, [1, 0.2, 0.04, 0.008, 0.0016]),
    ],
)
def test_schedules(schedule: dict[str, Any], factors: list[float]) -> None:
    at = [Schedule.model_validate(schedule).factor(quarter / 4) for quarter in range(5)]
    assert at == pytest.approx(factors, abs=1e-6)


def test_schedules_stay_at_their_ends_outside_the_run() -> None:
    schedule = Schedule(name="linear", end=0.25)
    assert schedule.factor(-1) == 1
    assert schedule.factor(1.5) == 0.25


def test_adams_memory_reaches_back_as_its_schedule_says() -> None:
    """1 - beta2 falls from 0.1 to 0.01 by half a cosine wave; the optimizer is told each step."""
    chosen = {"name": "adam", "lr": 1e-3, "betas": [0.5, 0.9]}
    falling = chosen | {"beta2_schedule": {"name": "cosine", "end": 0.1}}
    state = small_state(small_recipe(steps=4, optimizer={G: falling, D: chosen}))
    told = []
    for _ in range(4):
        run_step(state)
        told.append(state.optimizers[G].param_groups[0]["betas"])
        assert state.optimizers[D].param_groups[0]["betas"] == (0.5, 0.9)
        assert state.optimizers[G].param_groups[0]["lr"] == 1e-3
    waves = [(1 + math.cos(math.pi * share)) / 2 for share in (0, 0.25, 0.5, 0.75)]
    expected = [1 - 0.1 * (0.1 + 0.9 * wave) for wave in waves]
    assert [second for _, second in told] == pytest.approx(expected, abs=1e-12)
    assert {first for first, _ in told} == {0.5}
    assert state.recipe.optimizer.generator.betas_at(1.0)[1] == pytest.approx(0.99)


class Point(nn.Module):
    """One weight, one float statistic and one counter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(2, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))


def averaged(config: dict[str, Any], updates: int, batch_size: int = 10) -> EMA:
    """The average of a weight that jumps from 0 to 1 before the first update."""
    source = Point()
    ema = EMA(source, Ema.model_validate(config))
    with torch.no_grad():
        source.weight.fill_(1)
        source.mean.fill_(1)
        source.count.fill_(updates)
    for update in range(1, updates + 1):
        ema.update(update * batch_size, batch_size)
    return ema


@pytest.mark.parametrize("batch_size", [1, 10, 25])
def test_after_one_half_life_half_the_way_is_done_whatever_the_batch_size(batch_size: int) -> None:
    for half_lives, rest in ((1, 0.5), (2, 0.25), (3, 0.125)):
        updates = half_lives * 100 // batch_size
        ema = averaged({"half_life": 100, "ramp_up": None}, updates, batch_size)
        assert ema.module.weight.tolist() == pytest.approx([1 - rest] * 3, abs=1e-12)
        assert ema.module.mean.tolist() == pytest.approx([1 - rest] * 2, abs=1e-12)
        assert ema.module.count.item() == updates  # copied, not averaged


def test_ramp_up_shortens_the_half_life_early_on() -> None:
    """At n samples it is at most n / 10: the k-th update of 10 keeps ½ to the power 10 / k."""
    ema = averaged({"half_life": 30, "ramp_up": 0.1}, 50)
    kept = 1.0
    for update in range(1, 51):
        kept *= 0.5 ** (10 / min(30, 0.1 * update * 10))
    assert ema.module.weight.tolist() == pytest.approx([1 - kept] * 3, abs=1e-12)
    assert ema.decay(40, 10) == pytest.approx(0.5 ** (10 / 4))
    assert ema.decay(300, 10) == ema.decay(10**9, 10) == pytest.approx(0.5 ** (10 / 30))


def test_no_half_life_means_the_weights_themselves() -> None:
    ema = averaged({"half_life": 0, "ramp_up": None}, 1)
    assert ema.module.weight.tolist() == [1, 1, 1]
    assert ema.decay(0, 10) == 0


def test_the_average_is_of_the_generator_in_training() -> None:
    generator = MLPGenerator(4, (2,), [8], normalization="batch")
    recipe = small_recipe(ema={"half_life": 16, "ramp_up": None})
    state = small_state(recipe, generator=generator)
    expected = {k: v.clone() for k, v in generator.state_dict().items()}
    for _ in range(5):
        run_step(state)
        for key, now in generator.state_dict().items():
            if now.is_floating_point():
                expected[key] = 0.5**0.5 * expected[key] + (1 - 0.5**0.5) * now
            else:
                expected[key] = now.clone()
    average = state.ema[G].module
    assert not average.training
    assert not any(parameter.requires_grad for parameter in average.parameters())
    for key, value in average.state_dict().items():
        torch.testing.assert_close(value, expected[key], rtol=1e-12, atol=1e-12)
    assert list(state.ema) == [G]
