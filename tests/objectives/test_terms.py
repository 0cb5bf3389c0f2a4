"""Further terms by name: closed forms and memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from helpers import CPU, D, G, a_batch, a_move, small_game, small_recipe, toy, weights
from sparring.errors import InputError
from sparring.games.latent import latent_game
from sparring.objectives import make_terms
from sparring.objectives.terms import HistoricalAverage, feature_matching
from sparring.training import checkpoint
from sparring.training.state import State
from sparring.training.step import run_step


def test_feature_matching_is_the_squared_distance_of_mean_features() -> None:
    game = small_game()
    batch = a_batch(game, G)
    term = feature_matching(game.players, 1.0, 1)[G]
    assert term.couples_batch
    judge = game.players[D]
    real, fake = judge.features(batch.real, None), judge.features(batch.fake, None)
    expected = (real.mean(0) - fake.mean(0)).square().sum()
    assert term.fn(batch).item() == pytest.approx(expected.item())
    term.fn(batch).backward()
    assert all(p.grad is not None for p in game.players[G].parameters())


def test_feature_matching_needs_a_discriminator_that_tells_features() -> None:
    game = small_game(discriminator=nn.Linear(2, 1))
    with pytest.raises(InputError, match="tells its features"):
        feature_matching(game.players, 1.0, 1)[G].fn(a_batch(game, G))


def test_the_historical_average_is_the_mean_of_all_moves() -> None:
    game = small_game()
    memory = HistoricalAverage(game.players[G], G)
    seen = []
    for step in range(4):
        with torch.no_grad():
            for parameter in game.players[G].parameters():
                parameter.add_(torch.randn_like(parameter))
        seen.append(torch.cat([p.detach().flatten() for p in game.players[G].parameters()]))
        value = memory(a_batch(game, G, step=step))
        away = seen[-1] - torch.stack(seen).mean(0)
        assert value.item() == pytest.approx(away.square().sum().item())
        # A second micro-batch of the same move adds nothing.
        later = memory(game.batch(a_move(G, step=step, part=slice(4, 8))))
        assert later.item() == pytest.approx(value.item())
    (gradient,) = torch.autograd.grad(value, [next(game.players[G].parameters())])
    assert torch.allclose(gradient.flatten(), 2 * away[: gradient.numel()])


def test_the_memory_is_in_the_checkpoint(tmp_path: Path) -> None:
    def fresh() -> State:
        recipe = small_recipe(terms=[{"name": "historical-averaging", "weight": 0.1}])
        return State(latent_game(recipe, toy(), CPU), recipe, CPU)

    state, other = fresh(), fresh()
    for _ in range(3):
        run_step(state)
    checkpoint.save(state, tmp_path / "a.safetensors")
    checkpoint.restore(other, checkpoint.read(tmp_path / "a.safetensors"))
    for one in (state, other):
        for _ in range(3):
            run_step(one)
    for name in (G, D):
        ours, theirs = (weights(one.game.players[name]) for one in (state, other))
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert "loss/generator/historical-averaging" in state.statistics.stacked()


def test_a_recipe_names_terms_and_wrong_ones_are_told() -> None:
    players = small_game().players
    recipe = small_recipe(terms=[{"name": "feature-matching", "weight": 2.0, "every": 3}])
    (term,) = make_terms(recipe, players)[G]
    assert (term.weight_at(0), term.every) == (6.0, 3)
    with pytest.raises(InputError, match=r"terms\.0\.name: there is no `feature-mathcing`"):
        make_terms(small_recipe(terms=[{"name": "feature-mathcing"}]), players)


def test_classification_needs_an_auxiliary_classifier() -> None:
    recipe = small_recipe(terms=[{"name": "classification"}])
    with pytest.raises(InputError, match="auxiliary classifier"):
        latent_game(recipe, toy(), CPU)
