"""Small games, moves and states that many tests start from."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sparring.data import Dataset, open_data
from sparring.games import Game, LatentGame, Move
from sparring.games.latent import LatentBatch
from sparring.networks.layers import seeded
from sparring.networks.mlp import MLPDiscriminator, MLPGenerator
from sparring.objectives import LOSSES, Term, objective
from sparring.recipe import Data, Recipe
from sparring.training.state import State

CPU = torch.device("cpu")
G, D = "generator", "discriminator"
PLAIN_SGD = {"name": "sgd", "lr": 1.0}  # a step is the gradient itself


@cache
def toy(name: str = "ring") -> Dataset:
    return open_data(Data(name=name))


def samples_of(what: Tensor | tuple[int, ...], labels: Tensor | None = None) -> Dataset:
    """A data set of these samples, or of ten black images or zero vectors of a shape.

    Four samples in ten are held out, half of them for either purpose.
    """
    if not isinstance(what, Tensor):
        what = torch.zeros((10, *what), dtype=torch.uint8 if len(what) == 3 else torch.float32)
    place = torch.arange(len(what))
    order = (place % 10).div(2, rounding_mode="floor")
    splits = {"select": place[order == 3], "test": place[order == 4], "train": place[order < 3]}
    return Dataset("some", what, splits, labels)


def small_recipe(**changes: Any) -> Recipe:
    """Eight steps of eight samples in fp32, SGD with rate 1, changed by top-level keys."""
    values: dict[str, Any] = {
        "name": "small",
        "steps": 8,
        "batch_size": 8,
        "tick": 4,
        "precision": {G: "fp32", D: "fp32"},
        "data": {"name": "ring"},
        "latent": {"size": 4},
        G: {"name": "mlp", "width": [8]},
        D: {"name": "mlp", "width": [8]},
        "optimizer": {G: PLAIN_SGD, D: PLAIN_SGD},
    }
    return Recipe.model_validate(values | changes)


def small_game(
    recipe: Recipe | None = None,
    *,
    generator: nn.Module | None = None,
    discriminator: nn.Module | None = None,
    penalties: Sequence[Term] = (),
    terms: Sequence[Term] = (),
    dataset: Dataset | None = None,
    dtype: torch.dtype = torch.float64,
) -> LatentGame:
    """A latent game of two small MLPs, in float64 unless told otherwise."""
    recipe = recipe or small_recipe()
    dataset = dataset or toy(recipe.data.name)
    with seeded(recipe.seed):
        generator = generator or MLPGenerator(recipe.latent.size, dataset.shape, [8])
        discriminator = discriminator or MLPDiscriminator(dataset.shape, [8])
    loss, smoothing = recipe.loss, recipe.loss.smoothing
    of = objective(LOSSES[loss.name], loss.pairing, smoothing.real, smoothing.fake)
    return LatentGame(recipe, dataset, generator, discriminator, of, penalties, terms, dtype=dtype)


def small_state(recipe: Recipe | None = None, game: Game | None = None, **parts: Any) -> State:
    """The state of a small game; `parts` are those of `small_game`."""
    recipe = recipe or small_recipe()
    return State(game or small_game(recipe, **parts), recipe, CPU)


def a_move(
    phase: str = D, *, step: int = 0, batch_size: int = 8, part: slice | None = None, **fields: Any
) -> Move:
    """A move of a phase in which the player of that name learns."""
    values: dict[str, Any] = {
        "seed": 0,
        "samples_seen": step * batch_size,
        "repeat": 0,
        "position": step * batch_size,
        "learning": frozenset({phase}),
        "differentiates": frozenset(),
        "autocast": lambda player, of: nullcontext(),
    }
    part = part or slice(0, batch_size)
    return Move(step=step, phase=phase, batch_size=batch_size, part=part, **(values | fields))


def a_batch(game: LatentGame, phase: str = D, **fields: Any) -> LatentBatch:
    return game.batch(a_move(phase, **fields))


def weights(module: nn.Module) -> dict[str, Tensor]:
    """A copy of all parameters and buffers."""
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def changed(before: Mapping[str, Tensor], module: nn.Module) -> bool:
    """Whether any tensor of a module differs from an earlier copy."""
    return any(not torch.equal(tensor, before[k]) for k, tensor in module.state_dict().items())


# Overrides that make any recipe a matter of a second.
QUICK: dict[str, Any] = {
    "steps": 12,
    "batch_size": 16,
    "tick": 4,
    "snapshots": 2,
    "checkpoint_seconds": 0,
    "evaluation": {
        "metrics": ["fid"],
        "every": 0,
        "samples": 100,
        "final_samples": 120,
        "final_metrics": ["kid", "fid"],  # the others take seconds
    },
}
# The default recipe's networks, thin, with samples that differ from the first step on.
THIN: dict[str, Any] = {
    "generator.width": 4,
    "generator.normalization": "layer",
    "generator.init": "he",
    "discriminator.width": 4,
    "latent.size": 8,
}


def words_of(overrides: Mapping[str, Any]) -> list[str]:
    """Overrides as they are typed."""
    return [f"{key}={json.dumps(value)}" for key, value in overrides.items()]


def start(*words: str, folder: Path | None = None) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "sparring", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=folder)


class Answer(NamedTuple):
    code: int
    stdout: str
    stderr: str

    @property
    def value(self) -> Any:
        """The one JSON value on stdout."""
        assert self.stdout.endswith("\n")
        assert self.stdout.count("\n") == 1
        return json.loads(self.stdout)


def in_a_shell(*words: str, folder: Path | None = None) -> Answer:
    """A command in a process of its own, as a user runs it."""
    process = start(*words, folder=folder)
    stdout, stderr = process.communicate(timeout=120)
    assert "Traceback" not in stderr
    return Answer(process.returncode, stdout, stderr)


Command = Callable[..., Answer]
