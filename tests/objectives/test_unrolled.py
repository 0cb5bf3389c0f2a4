"""Unrolled moves are those of PyTorch's optimizers, differentiable, and leave no trace."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from helpers import CPU, D, G, a_batch, changed, small_game, small_recipe, weights
from sparring.errors import InputError
from sparring.games.latent import LatentGame
from sparring.networks.layers import seeded
from sparring.networks.mlp import MLPDiscriminator
from sparring.recipe import Recipe
from sparring.training.state import State
from sparring.training.step import run_step

SGD = {"name": "sgd", "lr": 0.3}
ADAM = {"name": "adam", "lr": 0.01, "betas": [0.5, 0.9]}


def recipe_of(steps: int, optimizer: dict[str, Any] = SGD, **changes: Any) -> Recipe:
    both = {D: optimizer, G: {"name": "adam", "lr": 1e-3}}
    return small_recipe(unroll={"steps": steps}, optimizer=both, **changes)


def value(game: LatentGame, **fields: Any) -> Tensor:
    """The generator's adversarial loss on the batch of a move."""
    return game.phases[1].terms[0].fn(a_batch(game, G, **fields)).mean()


def let_learn(game: LatentGame, player: str) -> None:
    for name, network in game.players.items():
        network.requires_grad_(name == player)


@pytest.mark.parametrize("optimizer", [SGD, ADAM], ids=["sgd", "adam"])
@pytest.mark.parametrize("loss", ["logistic", "logistic-saturating", "hinge"])
def test_the_moves_are_those_of_pytorchs_optimizers(loss: str, optimizer: dict[str, Any]) -> None:
    """Two looks, the second with Adam's moments as the first's own move has left them."""
    game = small_game(recipe_of(3, optimizer, loss={"name": loss}))
    twin = small_game(recipe_of(0, optimizer, loss={"name": loss}))
    judge, start = twin.players[D], weights(twin.players[D])
    make = torch.optim.SGD if optimizer is SGD else torch.optim.Adam
    options = {key: tuple(v) if key == "betas" else v for key, v in optimizer.items()}
    options.pop("name")
    moves = make(judge.parameters(), **options)
    kept = moves.state_dict()
    for look in range(2):
        judge.load_state_dict(start)
        moves.load_state_dict(kept)
        for step in range(3):
            batch = a_batch(twin, G, step=look)
            cost = twin.loss.discriminator(batch.on_real.logits, batch.on_fake.logits).mean()
            moves.zero_grad()
            cost.backward()
            moves.step()
            if step == 0:
                kept = deepcopy(moves.state_dict())
        batch = a_batch(twin, G, step=look)
        expected = twin.loss.generator(None, batch.on_fake.logits)
        if loss == "logistic-saturating":  # of the whole game, real part and all
            expected = -twin.loss.discriminator(batch.on_real.logits, batch.on_fake.logits)
        torch.testing.assert_close(value(game, step=look), expected.mean(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("optimizer", [SGD, ADAM], ids=["sgd", "adam"])
def test_gradients_go_through_the_moves(optimizer: dict[str, Any]) -> None:
    """Against finite differences of the generator's weights."""
    game = small_game(recipe_of(2, optimizer))
    value(game)  # Adam's moments are no longer 0, so that its moves are smooth
    let_learn(game, G)
    memory = weights(game.phases[1].terms[0].fn)  # type: ignore[arg-type]

    def again() -> Tensor:
        game.phases[1].terms[0].fn.load_state_dict(memory)  # type: ignore[attr-defined]
        return value(game, step=1)

    weight = game.players[G].layers[0].weight
    (slope,) = torch.autograd.grad(again(), weight)
    for place in [(0, 0), (3, 1), (7, 2)]:
        ends = []
        for way in (1e-6, -1e-6):
            weight.data[place] += way
            ends.append(again().item())
            weight.data[place] -= way
        assert slope[place].item() == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-9)


def test_one_move_written_out() -> None:
    game = small_game(recipe_of(1))
    let_learn(game, G)
    generator = list(game.players[G].parameters())
    found = torch.autograd.grad(value(game), generator)
    judge, batch = game.players[D].requires_grad_(), a_batch(game, G)
    fake = game.players[G](batch.z)
    cost = (softplus(-judge(batch.real)) + softplus(judge(fake))).mean()
    names, values = zip(*judge.named_parameters(), strict=True)
    slopes = torch.autograd.grad(cost, values, create_graph=True)
    moved = {n: v - 0.3 * s for n, v, s in zip(names, values, slopes, strict=True)}
    answered = torch.func.functional_call(judge, moved, (fake,))
    expected = torch.autograd.grad(softplus(-answered).mean(), generator)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [{"normalization": "batch"}, {"spectral_norm": True}])
def test_weights_statistics_and_vectors_of_the_discriminator_stay(options: dict[str, Any]) -> None:
    with seeded(0):
        judge = MLPDiscriminator((2,), [8, 8], **options)
    game = small_game(recipe_of(4, ADAM), discriminator=judge)
    before = weights(judge)
    let_learn(game, G)
    value(game).backward()
    assert not changed(before, judge)
    assert all(parameter.grad is None for parameter in judge.parameters())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in game.players[G].parameters())


def test_dead_weights_do_no_harm() -> None:
    """Adam's root has no slope at 0, where weights of dead units stay."""
    game = small_game(recipe_of(3, ADAM))
    judge = game.players[D]
    nn.init.zeros_(judge.layers[0].weight)
    nn.init.zeros_(judge.head.logit.weight)
    let_learn(game, G)
    value(game).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in game.players[G].parameters())


def test_none_is_the_plain_game_and_the_rate_follows_its_schedule() -> None:
    plain = small_game(small_recipe(optimizer={D: SGD, G: SGD}))
    assert value(small_game(recipe_of(0))) == value(plain)
    falling = SGD | {"schedule": {"name": "linear", "end": 0.0}}
    game = small_game(recipe_of(3, falling))
    end = {"step": 3, "samples_seen": 64}  # of a run of eight steps of eight
    torch.testing.assert_close(value(game, **end), value(plain, **end))
    assert not torch.allclose(value(game, step=3), value(plain, step=3))


def test_what_cannot_be_unrolled_is_refused() -> None:
    with pytest.raises(InputError, match="rmsprop cannot be unrolled"):
        small_game(recipe_of(2, {"name": "rmsprop", "lr": 1e-3}))
    recipe = recipe_of(2, micro_batch=4)
    with pytest.raises(InputError, match="term `adversarial` of phase `generator`"):
        State(small_game(recipe), recipe, CPU)


def test_it_trains_with_penalties_and_classes_of_batches() -> None:
    for batch_size in (1, 2, 3):
        recipe = recipe_of(2, ADAM, batch_size=batch_size)
        state = State(small_game(recipe), recipe, CPU)
        for _ in range(3):
            run_step(state)
        assert all(part.isfinite().all() for part in state.statistics.stacked().values())
