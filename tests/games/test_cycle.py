"""What a move of CycleGAN makes of its images."""

from typing import Any

import pytest
import torch

from helpers import a_move
from sparring.data import open_data
from sparring.errors import InputError
from sparring.games import GAMES
from sparring.games.batch import G
from sparring.games.cycle import CycleGame
from sparring.recipes import load_recipe
from sparring.training.state import State
from sparring.training.step import run_step

CPU = torch.device("cpu")
THIN = {"generator.width": 2, "generator.blocks": 1, "discriminator.width": 2, "batch_size": 6}
IDENTITY = {"name": "identity", "weight": 5}
CYCLE = {"name": "cycle", "weight": 10}


def game_of(**overrides: Any) -> CycleGame:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    recipe = load_recipe("cyclegan", THIN | keys)
    game = GAMES[recipe.game](recipe, open_data(recipe.data), CPU)
    assert isinstance(game, CycleGame)
    return game


@pytest.mark.parametrize("part", [slice(0, 6), slice(2, 5)])
@pytest.mark.parametrize("normalization", ["instance", "none"])
def test_one_pass_makes_what_two_would(part: slice, normalization: str) -> None:
    game = game_of(generator__normalization=normalization, generator__init="he")
    learning = frozenset({G, "generator_back"})
    found = []
    for at_once in (True, False):
        assert game.there.keeps is True or not at_once
        game.there.keeps = game.back.keeps = at_once
        batch: Any = game.batch(a_move(G, batch_size=6, part=part, learning=learning))
        passes = []
        call = batch._call
        batch._call = lambda *words, call=call, passes=passes: passes.append(1) or call(*words)
        found.append([batch.fake, batch.kept, batch.other.fake, batch.other.kept])
        assert len(passes) == (1 if at_once else 2)
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
        assert one.requires_grad
    # Translations of other images: nothing is in the other's place.
    assert not torch.allclose(found[0][0], found[0][1], atol=1e-2)


@pytest.mark.parametrize(
    "overrides",
    [
        {"generator__normalization": "batch"},
        {"terms": [CYCLE, IDENTITY | {"every": 4}]},
        {"terms": [CYCLE]},
    ],
)
def test_what_is_not_looked_at_in_each_move_is_not_made(overrides: dict[str, Any]) -> None:
    game = game_of(**overrides)
    assert game.there.keeps is False
    assert game.back.keeps is False


def test_identity_needs_the_same_channels() -> None:
    recipe = load_recipe("cyclegan", THIN | {"data.inputs": "edges", "data.channels": 3})
    game = GAMES[recipe.game](recipe, open_data(recipe.data), CPU)
    state = State(game, recipe, CPU)
    with pytest.raises(InputError, match="same channels"):
        run_step(state)
