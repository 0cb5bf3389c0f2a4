"""Two steps of recipes in float64, by however many processes run this: their tensors in a folder.

torchrun --nproc-per-node=2 tests/training/steps_of_recipes.py FOLDER RECIPE...
"""

import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from sparring import ranks
from sparring.data import open_data
from sparring.games import GAMES
from sparring.games.cycle import CycleGame
from sparring.launch import leads
from sparring.recipe import Recipe
from sparring.recipes import load_recipe
from sparring.training import checkpoint
from sparring.training.state import State
from sparring.training.step import run_step

STEPS = 2
G, D = "generator", "discriminator"
# A step is the gradient itself: Adam would make steps of a gradient's rounding.
PLAIN: dict[str, Any] = {
    "batch_size": 16,
    "precision": {G: "fp32", D: "fp32"},
    **{f"optimizer.{player}": {"name": "sgd", "lr": 0.01} for player in (G, D)},
}
OWN: dict[str, dict[str, Any]] = {
    "srgan": {"pretraining.samples": 0},
    "unrolled": {"unroll.steps": 2, "latent.size": 8},
    # What other recipes have not: batch statistics of every kind, and what looks at a whole batch.
    "dcgan": {"discriminator.minibatch": "stddev", "augment.name": "ada"},
    "ring": {
        "discriminator.minibatch": "discrimination",
        "penalties": [{"name": "dragan", "weight": 1.0}],
        "terms": [{"name": "feature-matching"}, {"name": "historical-averaging"}],
    },
    "grid": {"loss.pairing": "relativistic-average", "discriminator.packing": 2},
}


def thin(recipe: Recipe) -> None:
    """Networks that take no time."""
    for network in (recipe.generator, recipe.discriminator):
        width = getattr(network, "width", None)
        if isinstance(width, list):
            network.width = [min(one, 16) for one in width]
        elif width is not None or network.name != "mlp":
            network.width = 8


def after_steps(name: str, steps: int = STEPS) -> dict[str, torch.Tensor]:
    """What a checkpoint of the recipe would hold after two steps, or so many."""
    recipe = load_recipe(name, PLAIN | OWN.get(name, {}))
    thin(recipe)
    dataset = open_data(recipe.data)
    game = GAMES[recipe.game](recipe, dataset, torch.device("cpu"))
    for one in (game.there, game.back) if isinstance(game, CycleGame) else (game,):
        one.dtype = torch.float64
    modules = [*game.players.values(), *game.memories.values()]
    terms = [term.fn for phase in game.phases for term in phase.terms]
    for module in (*modules, *(fn for fn in terms if isinstance(fn, nn.Module))):
        module.double()
    state = State(game, recipe, torch.device("cpu"))
    for _ in range(steps):
        run_step(state)
    state.statistics.unite()
    kept = checkpoint.tensors(state)
    return {key: tensor.detach().clone().contiguous() for key, tensor in kept.items()}


@ranks.joined()
def main(folder: str, *names: str) -> None:
    for name in names:
        found = after_steps(name)
        if leads():
            save_file(found, Path(folder, f"{name}.safetensors"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
