"""GANs of another kind train through the unchanged loop, built from public pieces only."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers import CPU, D, G, a_batch, changed, small_game, small_recipe, toy, weights
from sparring.data import Sampler, to_network
from sparring.games import Move, Phase
from sparring.networks.layers import seeded
from sparring.networks.mlp import MLPDiscriminator, MLPGenerator
from sparring.objectives import LOSSES, Term, objective
from sparring.recipe import Optimizer, Recipe
from sparring.training import checkpoint
from sparring.training.loop import Tick, train
from sparring.training.state import State

GENERATORS, DISCRIMINATORS = (
    ("generator_ab", "generator_ba"),
    ("discriminator_a", "discriminator_b"),
)
ADAM = Optimizer(lr=1e-3)


class CycleBatch:
    """Unpaired samples of two domains, their translations, and the translations back."""

    def __init__(self, game: CycleGame, move: Move) -> None:
        self.game, self.move = game, move

    def _real(self, domain: str) -> Tensor:
        move, sampler = self.move, self.game.samplers[domain]
        where = sampler.at(move.position, move.batch_size)[move.part]
        return to_network(toy().values[where], CPU)

    def _translated(self, name: str, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(name in self.move.learning):
            return self.game.players[name](x)

    @cached_property
    def a(self) -> Tensor:
        return self._real("a")

    @cached_property
    def b(self) -> Tensor:
        return self._real("b")

    @cached_property
    def fake_b(self) -> Tensor:
        return self._translated("generator_ab", self.a)

    @cached_property
    def fake_a(self) -> Tensor:
        return self._translated("generator_ba", self.b)

    def cycle(self) -> Tensor:
        back_a = self._translated("generator_ba", self.fake_b)
        back_b = self._translated("generator_ab", self.fake_a)
        return (back_a - self.a).abs() + (back_b - self.b).abs()

    def statistics(self) -> Mapping[str, Tensor]:
        return {}


@dataclass
class CycleGame:
    """CycleGAN: two generators that learn together, a discriminator for each domain."""

    players: dict[str, nn.Module]
    phases: list[Phase] = field(default_factory=list)
    averaged: tuple[str, ...] = GENERATORS
    memories: dict[str, nn.Module] = field(default_factory=dict)
    told: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        halves = toy().splits["train"].chunk(2)
        self.samplers = {name: Sampler(half, 0) for name, half in zip("ab", halves, strict=True)}

    def batch(self, move: Move) -> CycleBatch:
        return CycleBatch(self, move)

    def sample(self, network: nn.Module, seeds: range) -> Tensor:
        return network(toy().values[list(seeds)])

    def before_step(self, samples_seen: int) -> None:
        self.told.append(samples_seen)

    def watch(self, kept: Mapping[str, Tensor]) -> dict[str, float]:
        return {}

    def equilibrium(self) -> dict[str, float]:
        return {}


def cycle_game() -> CycleGame:
    loss = objective(LOSSES["least-squares"])
    with seeded(0):
        players: dict[str, nn.Module] = {n: MLPGenerator(2, (2,), [8]) for n in GENERATORS}
        players |= {name: MLPDiscriminator((2,), [8]) for name in DISCRIMINATORS}
    game = CycleGame(players)

    def judged(domain: str, batch: Any) -> tuple[Tensor, Tensor]:
        judge = players[f"discriminator_{domain}"]
        return judge(getattr(batch, domain)), judge(getattr(batch, f"fake_{domain}"))

    generators = [
        Term("to_b", lambda batch: loss.generator(*judged("b", batch))),
        Term("to_a", lambda batch: loss.generator(*judged("a", batch))),
        Term("cycle", CycleBatch.cycle, weight=10.0),
    ]
    game.phases = [Phase("generators", GENERATORS, ADAM, generators)] + [
        Phase(
            name,
            (name,),
            ADAM,
            [Term("adversarial", lambda batch, d=name[-1]: loss.discriminator(*judged(d, batch)))],
        )
        for name in DISCRIMINATORS
    ]
    return game


def test_cyclegan_trains_through_the_loop() -> None:
    recipe = small_recipe(steps=60, tick=20, batch_size=32)
    game = cycle_game()
    before = {name: weights(player) for name, player in game.players.items()}
    state = State(game, recipe, CPU)
    ticks: list[Tick] = []
    train(state, [lambda tick, state: ticks.append(tick)])
    assert [tick.step for tick in ticks] == [20, 40, 60]
    losses = {key: value for key, value in ticks[-1].values.items() if key.startswith("loss/")}
    assert set(losses) == {
        *("loss/generators", "loss/generators/to_a", "loss/generators/cycle"),
        *("loss/discriminator_a", "loss/discriminator_b"),
    }
    assert all(math.isfinite(value) for tick in ticks for value in tick.values.values())
    assert ticks[-1].values["loss/generators/cycle"] < ticks[0].values["loss/generators/cycle"]
    assert all(changed(before[name], player) for name, player in game.players.items())
    assert set(state.ema) == set(GENERATORS)
    assert game.told == [32 * step for step in range(60)]


def test_a_cyclegan_is_saved_and_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    recipe = small_recipe(steps=6, tick=2)
    whole, first, second = (State(cycle_game(), recipe, CPU) for _ in range(3))
    train(whole, [])
    steps = itertools.count()
    train(first, [], should_stop=lambda: next(steps) == 3)
    assert first.step == 3
    checkpoint.save(first, tmp_path / "last.safetensors")
    checkpoint.restore(second, checkpoint.read(tmp_path / "last.safetensors"))
    train(second, [])
    for name, player in whole.game.players.items():
        assert not changed(weights(player), second.game.players[name])


def unrolled(discriminator: nn.Module, steps: int, lr: float) -> Term:
    """The generator's loss against a discriminator that has answered (Metz et al., 2017)."""
    loss = objective(LOSSES["logistic"])

    def fn(batch: Any) -> Tensor:
        fast = {
            name: parameter.detach().clone().requires_grad_()
            for name, parameter in discriminator.named_parameters()
        }
        for _ in range(steps):
            view = batch.with_parameters(D, fast)
            of_discriminator = loss.discriminator(view.on_real.logits, view.on_fake.logits).mean()
            slopes = torch.autograd.grad(of_discriminator, fast.values(), create_graph=True)
            pairs = zip(fast.items(), slopes, strict=True)
            fast = {name: value - lr * slope for (name, value), slope in pairs}
        return loss.generator(None, batch.with_parameters(D, fast).on_fake.logits)

    return Term("unrolled", fn)


def unrolled_state(steps: int, recipe: Recipe) -> State:
    """The adversarial term of the generator's phase replaced by the unrolled one."""
    game = small_game(recipe)
    generator = game.phases[1]
    generator.terms[:] = [unrolled(game.players[D], steps, lr=0.5)]
    return State(game, recipe, CPU)


def test_an_unrolled_gan_trains_through_the_loop() -> None:
    recipe = small_recipe(optimizer={D: {"lr": 1e-3}, G: {"lr": 1e-3}})
    state = unrolled_state(3, recipe)
    ticks: list[Tick] = []
    train(state, [lambda tick, state: ticks.append(tick)])
    assert [tick.step for tick in ticks] == [4, 8]
    assert all(math.isfinite(value) for tick in ticks for value in tick.values.values())
    assert ticks[0].nonfinite is None


def test_unrolling_looks_ahead_and_leaves_the_discriminators_weights_alone() -> None:
    recipe = small_recipe()
    ends = []
    for steps in (0, 3):
        state = unrolled_state(steps, recipe)
        game = state.game
        game.phases.pop(0)  # only the generator moves
        before = {name: weights(player) for name, player in game.players.items()}
        train(state, [])
        assert not changed(before[D], game.players[D])
        assert changed(before[G], game.players[G])
        ends.append(weights(game.players[G]))
    assert not all(torch.allclose(ends[0][name], ends[1][name]) for name in ends[0])


def test_unrolled_gradients_go_through_the_discriminators_steps() -> None:
    """Against one step written out by hand."""
    game = small_game()
    batch = a_batch(game, G)
    term = unrolled(game.players[D], 1, lr=0.5)
    generator = list(game.players[G].parameters())
    slopes = torch.autograd.grad(term.fn(batch).mean(), generator)

    judge, softplus = game.players[D], nn.functional.softplus
    fake = game.players[G](batch.z)
    cost = (softplus(-judge(batch.real)) + softplus(judge(fake))).mean()
    names, values = zip(*judge.named_parameters(), strict=True)
    steps = torch.autograd.grad(cost, values, create_graph=True)
    fast = {n: v - 0.5 * s for n, v, s in zip(names, values, steps, strict=True)}
    answered = torch.func.functional_call(judge, fast, (fake,))
    expected = torch.autograd.grad(softplus(-answered).mean(), generator)
    for ours, theirs in zip(slopes, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    # Without the way through the discriminator's answer they would be others.
    fast = {name: value.detach() for name, value in fast.items()}
    answered = torch.func.functional_call(judge, fast, (game.players[G](batch.z),))
    blind = torch.autograd.grad(softplus(-answered).mean(), generator)
    assert not torch.allclose(blind[0], expected[0])


@pytest.mark.parametrize("player", [G, D])
def test_a_phase_may_train_any_of_the_players(player: str) -> None:
    recipe = small_recipe(steps=1)
    game = small_game(recipe)
    game.phases[:] = [phase for phase in game.phases if phase.name == player]
    before = {name: weights(module) for name, module in game.players.items()}
    train(State(game, recipe, CPU), [])
    assert [name for name in (D, G) if changed(before[name], game.players[name])] == [player]
