"""The loop calls observers once a tick with figures over it, and finds the first bad one."""

import math
import time

import pytest
import torch
from torch import Tensor, nn

from helpers import CPU, D, G, small_game, small_recipe, small_state, toy
from sparring.errors import InputError, StoppedByFinding
from sparring.networks.mlp import MLPDiscriminator
from sparring.objectives import Term
from sparring.observers import Referee
from sparring.recipe import Precision
from sparring.training.loop import Tick, collect, train
from sparring.training.precision import Contexts, choose_device
from sparring.training.state import State
from sparring.training.statistics import Statistics
from sparring.training.step import run_step


def ticks_of(state: State, stop_at: int | None = None) -> list[Tick]:
    ticks: list[Tick] = []
    train(state, [lambda tick, state: ticks.append(tick)], lambda: state.step == stop_at)
    return ticks


def test_a_tick_comes_every_so_many_steps_and_at_the_end() -> None:
    ticks = ticks_of(small_state(small_recipe(steps=10, tick=4)))
    assert [(tick.step, tick.samples_seen, tick.is_last) for tick in ticks] == [
        (4, 32, False),
        (8, 64, False),
        (10, 80, True),
    ]
    assert 0 < ticks[0].seconds < ticks[1].seconds < ticks[2].seconds


def test_a_stopped_loop_goes_on_where_it_was() -> None:
    state = small_state(small_recipe(steps=10, tick=4))
    assert [tick.step for tick in ticks_of(state, stop_at=6)] == [4]
    assert state.step == 6
    assert [tick.step for tick in ticks_of(state)] == [8, 10]
    assert ticks_of(state) == []  # it is finished


def test_observers_time_is_not_training_time() -> None:
    state = small_state(small_recipe(steps=2, tick=1))
    started = time.perf_counter()
    seconds = train(state, [lambda tick, state: time.sleep(0.3)], seconds_before=5.0)
    assert 0 < seconds - 5 < time.perf_counter() - started - 2 * 0.3


def test_values_are_means_over_the_tick() -> None:
    """Each step's loss, taken from a state that ticks at every step."""
    changes = {"steps": 8, "repeats": {D: 2, G: 1}}
    (whole,) = ticks_of(small_state(small_recipe(tick=8, **changes)))
    single = ticks_of(small_state(small_recipe(tick=1, **changes)))
    for name in (f"loss/{D}", f"loss/{G}", "score/real", "accuracy/fake"):
        mean = sum(tick.values[name] for tick in single) / 8
        assert whole.values[name] == pytest.approx(mean, rel=1e-5)
    # The gradient norm is taken in the first of eight steps, of both moves.
    assert whole.values[f"grad_norm/{D}"] == single[0].values[f"grad_norm/{D}"]
    assert f"grad_norm/{D}" not in single[1].values
    assert set(whole.values) == {
        *(f"{kind}/{player}" for kind in ("loss", "grad_norm") for player in (D, G)),
        *(f"{kind}/{side}" for kind in ("score", "accuracy") for side in ("real", "fake")),
    }


def bad_from(step: int, value: float) -> Term:
    """A term of no weight's worth that turns bad at a step."""

    def fn(batch: object) -> Tensor:
        bad = batch.move.step >= step  # type: ignore[attr-defined]
        return batch.on_fake.logits * (value if bad else 0.0)  # type: ignore[attr-defined]

    return Term("trap", fn)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("step", [0, 3, 5, 7])
def test_nan_and_infinity_are_found_with_name_and_step(step: int, value: float) -> None:
    state = small_state(terms=[bad_from(step, value)])
    found: list[Tick] = []
    with pytest.raises(StoppedByFinding) as stop:
        train(state, [Referee(state, toy()), lambda tick, state: found.append(tick)])
    assert stop.value.exit_code == 3
    assert stop.value.code == "stopped"
    assert f"loss/{G}/trap is NaN or infinite since step {step}" in stop.value.message
    assert "tensors are bad by now, the first is " in stop.value.message
    assert "lr" in stop.value.hint
    assert [tick.step for tick in found] == [4] * (step >= 4)  # the tick before was good


def test_bad_weights_are_found_where_no_statistic_shows_them() -> None:
    state = small_state()
    run_step(state)
    with torch.no_grad():
        state.game.players[D].head.logit.bias.fill_(math.nan)
    tick = collect(state, is_last=False)
    assert tick.nonfinite is None
    with pytest.raises(StoppedByFinding, match=r"discriminator\.head\.logit\.bias is NaN"):
        Referee(state, toy())(tick, state)


def test_healthy_steps_have_no_finding() -> None:
    state = small_state()
    referee = Referee(state, toy())
    train(state, [referee])
    assert referee.findings == []


def test_the_first_bad_value_is_the_earliest_not_the_first_by_name() -> None:
    statistics = Statistics()
    for step in range(10):
        statistics.keep(step, "a", torch.tensor(math.nan if step >= 7 else 0.0))
        statistics.keep(step, "b", torch.tensor([0.0, math.inf if step == 4 else 0.0]))
    assert statistics.first_nonfinite(statistics.stacked()) == ("b", 4)
    statistics.clear()
    assert statistics.stacked() == {}
    assert statistics.first_nonfinite({}) is None


def test_statistics_of_lazy_terms_are_means_over_the_steps_they_were_due() -> None:
    def fn(batch: object) -> Tensor:
        step = batch.move.step  # type: ignore[attr-defined]
        return batch.on_fake.logits * 0 + step  # type: ignore[attr-defined]

    state = small_state(terms=[Term("step", fn, weight=3.0, every=3)])
    (tick,) = ticks_of(State(state.game, small_recipe(tick=8), CPU))
    assert tick.values[f"loss/{G}/step"] == (0 + 3 + 6) / 3  # neither weight nor laziness


@pytest.mark.parametrize("name", ["cuda:7", "tpu", "gpu"])
def test_a_device_that_is_not_there_is_told(name: str) -> None:
    with pytest.raises(InputError, match=f"device={name} cannot be used") as problem:
        choose_device(name)
    assert "device=auto" in problem.value.hint
    assert choose_device("cpu") == CPU


@pytest.mark.skipif(torch.cuda.is_available(), reason="the first GPU is chosen")
def test_without_a_gpu_the_cpu_is_chosen() -> None:
    assert choose_device("auto") == CPU


def test_precision_follows_each_players_role() -> None:
    contexts = Contexts(Precision(generator="bf16", discriminator="fp32"), CPU)
    layer, x = nn.Linear(2, 2), torch.ones(1, 2)
    expected = {"generator_ab": torch.bfloat16, "generator": torch.bfloat16, D: torch.float32}
    for player, dtype in expected.items():
        with contexts.move(), contexts.of_move(frozenset())(player, "fake"):
            assert layer(x).dtype == dtype
    contexts = Contexts(Precision(generator="fp32", discriminator="bf16"), CPU)
    for wanted, dtype in (({"real"}, torch.float32), ({"styles"}, torch.bfloat16)):
        with contexts.move(), contexts.of_move(frozenset(wanted))("discriminator_a", "both"):
            assert layer(x).dtype == dtype
    contexts = Contexts(Precision(generator="bf16", discriminator="bf16"), CPU)
    for wanted, dtype in (({"styles"}, torch.float32), ({"real", "fake"}, torch.bfloat16)):
        with contexts.move(), contexts.of_move(frozenset(wanted))(G, "z"):
            assert layer(x).dtype == dtype


def test_between_samples_only_the_penaltys_own_pass_is_in_fp32() -> None:
    contexts = Contexts(Precision(generator="bf16", discriminator="bf16"), CPU)
    layer, x = nn.Linear(2, 2), torch.ones(1, 2)
    passes = {"both": torch.bfloat16, "fake": torch.bfloat16, "gp": torch.float32}
    for of, dtype in passes.items():
        with contexts.move(), contexts.of_move(frozenset({"interpolates"}))(D, of):
            assert layer(x).dtype == dtype
    # Real samples that are differentiated are so in the pass that the loss reads.
    with contexts.move(), contexts.of_move(frozenset({"interpolates", "real"}))(D, "real"):
        assert layer(x).dtype == torch.float32


def test_a_game_in_double_precision_judges_in_it() -> None:
    game = small_game(discriminator=MLPDiscriminator((2,), [4]), dtype=torch.float64)
    assert next(game.players[D].parameters()).dtype == torch.float64
    state = State(game, small_recipe(), CPU)
    run_step(state)
    assert state.statistics._kept["logits/real"][0].dtype == torch.float64
