"""Losses, pairings, penalties and conditions compose: every combination trains, all is finite."""

from typing import Any

import pytest
import torch

from helpers import CPU, D, G, changed, small_recipe, toy, weights
from sparring.games.latent import latent_game
from sparring.objectives import LOSSES
from sparring.objectives.losses import PAIRINGS
from sparring.training.state import State
from sparring.training.step import run_step

STEPS = 50
PENALTIES: dict[str, list[str]] = {
    "no penalty": [],
    "R1": ["r1"],
    "R1 and R2": ["r1", "r2"],
    "GP": ["gp"],
    "DRAGAN": ["dragan"],
}
CONDITIONS: dict[str, dict[str, Any]] = {
    "unconditional": {G: {}, D: {}},
    "projection": {G: {"condition": "embedding", "embedding": 2}, D: {"condition": "projection"}},
}
SGD = {"name": "sgd", "lr": 0.02}


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_combination_trains(loss: str, pairing: str, penalty: str, condition: str) -> None:
    options = CONDITIONS[condition]
    recipe = small_recipe(
        steps=STEPS,
        loss={"name": loss, "pairing": pairing},
        penalties=[{"name": name, "weight": 0.1} for name in PENALTIES[penalty]],
        generator={"name": "mlp", "width": [4]} | options[G],
        discriminator={"name": "mlp", "width": [4]} | options[D],
        optimizer={G: SGD, D: SGD},
    )
    state = State(latent_game(recipe, toy(), CPU), recipe, CPU)
    assert state.warnings == []
    before = {name: weights(player) for name, player in state.game.players.items()}
    for _ in range(STEPS):
        run_step(state)
    kept = state.statistics.stacked()
    assert all(values.isfinite().all() for values in kept.values())
    terms = {f"loss/{D}/{name}" for name in PENALTIES[penalty]}
    assert {name for name in kept if name.startswith(f"loss/{D}/")} == terms
    for name, player in state.game.players.items():
        assert changed(before[name], player)
        assert all(tensor.isfinite().all() for tensor in weights(player).values())
        # The labels are used: without a gradient the embedding would stand still.
        for key, tensor in weights(player).items():
            if "embedding" in key:
                assert not torch.equal(tensor, before[name][key])
