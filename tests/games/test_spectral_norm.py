"""Spectral normalization: one power iteration for each move of the discriminator, no other."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers import CPU, D, G, changed, small_game, small_recipe, toy, weights
from sparring.games.latent import latent_game
from sparring.networks.discriminator import spectral_norms
from sparring.networks.layers import at_rest, seeded
from sparring.networks.mlp import MLPDiscriminator
from sparring.objectives import PENALTIES
from sparring.recipe import Recipe
from sparring.recipes import load_recipe
from sparring.training.state import State
from sparring.training.step import make_move, run_step


def normalized_state(recipe: Recipe, *penalties: str, dtype: torch.dtype = torch.float64) -> State:
    with seeded(1):
        judge = MLPDiscriminator((2,), [8, 8], spectral_norm=True)
    terms = [PENALTIES[name](0.1) for name in penalties]
    game = small_game(recipe, discriminator=judge, penalties=terms, dtype=dtype)
    return State(game, recipe, CPU)


def vectors(state: State) -> list[Tensor]:
    return [norm._u.clone() for norm in spectral_norms(state.game.players[D])]


def iterated(weight: Tensor, v: Tensor) -> Tensor:
    """u after one power iteration."""
    return nn.functional.normalize(weight @ v, dim=0)


@pytest.mark.parametrize("penalties", [(), ("r1",), ("r1", "r2", "gp")])
def test_one_iteration_for_each_move_of_the_discriminator(penalties: tuple[str, ...]) -> None:
    state = normalized_state(small_recipe(), *penalties)
    discriminator = state.game.phases[0]
    for move in range(3):
        layers = [m for m in state.game.players[D].modules() if hasattr(m, "parametrizations")]
        expected = [
            iterated(m.parametrizations.weight.original.detach(), m.parametrizations.weight[0]._v)
            for m in layers
        ]
        make_move(state, discriminator, 0, 8 * move)
        for found, one in zip(vectors(state), expected, strict=True):
            torch.testing.assert_close(found, one, rtol=1e-12, atol=1e-12)


def test_none_in_the_generators_moves_nor_at_rest() -> None:
    state = normalized_state(small_recipe())
    discriminator, generator = state.game.phases
    make_move(state, discriminator, 0, 0)
    before = weights(state.game.players[D])
    make_move(state, generator, 0, 8)
    with at_rest(state.game.players[D]):
        state.game.players[D](torch.randn(4, 2, dtype=torch.float64))
    assert not changed(before, state.game.players[D])


@pytest.mark.parametrize("penalties", [(), ("r1", "gp")])
def test_micro_batches_equal_the_whole_batch(penalties: tuple[str, ...]) -> None:
    ends = []
    for micro_batch in (None, 3):
        slow = {name: {"name": "sgd", "lr": 0.05} for name in (D, G)}
        recipe = small_recipe(micro_batch=micro_batch, optimizer=slow)
        state = normalized_state(recipe, *penalties)
        for _ in range(3):
            run_step(state)
        ends.append(weights(state.game.players[D]) | weights(state.game.players[G]))
    for name, tensor in ends[0].items():
        torch.testing.assert_close(ends[1][name], tensor, rtol=1e-9, atol=1e-10)


def test_gradients_go_through_the_norm() -> None:
    """Against W / (u·W v) written out, with the vectors as constants."""
    state = normalized_state(small_recipe())
    layer = state.game.players[D].head.logit
    parametrized = layer.parametrizations.weight
    original = parametrized.original.detach().clone().requires_grad_()
    u, v = parametrized[0]._u, parametrized[0]._v
    parametrized[0].training = False
    (expected,) = torch.autograd.grad((original / (u @ original @ v)).square().sum(), original)
    (found,) = torch.autograd.grad(layer.weight.square().sum(), parametrized.original)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_at_the_end_no_layer_stretches_more_than_allowed(precision: str) -> None:
    """As benchmarks/sngan.py does for a whole run, on tiny networks, with attention."""
    changes: dict[str, Any] = {
        "steps": 40,
        "batch_size": 8,
        "latent.size": 4,
        "generator.width": 2,
        "discriminator.width": 4,
        "discriminator.attention": [4],
        "data.name": "patterns",
        "precision": {G: precision, D: precision},
    }
    recipe = load_recipe("sngan", changes)
    state = State(latent_game(recipe, toy("patterns"), CPU), recipe, CPU)
    for _ in range(recipe.steps):
        run_step(state)
    judge = state.game.players[D]
    with at_rest(judge):
        kinds = (nn.Linear, nn.Conv2d)
        found = [m.weight.flatten(1) for m in judge.modules() if isinstance(m, kinds)]
    largest = [torch.linalg.matrix_norm(one.double(), 2).item() for one in found]
    assert len(largest) > 10
    assert max(largest) < 1.02
    assert min(largest) > 0.98
