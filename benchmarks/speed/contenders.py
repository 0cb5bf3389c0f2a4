"""Who takes turns: each is a function that trains so many further steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import nn

from benchmarks import bare, common, tutorial
from benchmarks.speed import plain
from benchmarks.speed.cases import CASES, Case, data_of, recipe_of
from sparring.data import Dataset
from sparring.games import GAMES
from sparring.machine import keep_freed_memory
from sparring.observers import History, Referee
from sparring.recipe import Recipe
from sparring.run import RunFolder
from sparring.training.loop import train
from sparring.training.state import State

Run = Callable[[int], None]
PACKAGE, PACKAGE_FP32, PLAIN, BARE = "sparring", "sparring, fp32", "plain loop", "bare loop"


def contender(name: str, of: str, folder: Path, dataset: Dataset | None = None) -> Run:
    """A contender on a case of that name; `folder` is where the package writes its history.

    The bare loop stands for what the package's own steps cost: it has its allocator too.
    """
    case = CASES[of]
    recipe, dataset = recipe_of(case, fp32=name == PACKAGE_FP32), dataset or data_of(case)
    if name in (PACKAGE, PACKAGE_FP32):
        return package(recipe, dataset, RunFolder(folder))
    if name == BARE:
        keep_freed_memory()
        return turns(bare.bare_steps(recipe, dataset))
    return turns(plain_loop(recipe, dataset))


def names(case: Case) -> list[str]:
    """The contenders of a case."""
    both = [PACKAGE] if case.recipe == "gaussian" else [PACKAGE, PACKAGE_FP32]
    return [*both, PLAIN, *([BARE] if case.bare else [])]


def package(
    recipe: Recipe,
    dataset: Dataset,
    folder: RunFolder,
    generator: Callable[..., nn.Module] | None = None,
    discriminator: Callable[..., nn.Module] | None = None,
) -> Run:
    """The package's own loop with what looks at every tick: the referee and the history."""
    folder.create()
    game = GAMES[recipe.game](recipe, dataset, common.CPU, generator, discriminator)
    state = State(game, recipe, common.CPU)
    referee = Referee(state, dataset)
    observers = [referee, History(folder, referee)]

    def run(steps: int) -> None:
        end = state.step + steps
        train(state, observers, lambda: state.step >= end)

    return run


def plain_loop(recipe: Recipe, dataset: Dataset) -> Iterator[Any]:
    """The loop of a tutorial: where one has these networks, its own."""
    latent, batch_size = recipe.latent.size, recipe.batch_size
    if recipe.name == "gaussian":
        return tutorial.number_steps(*tutorial.number_networks(latent), recipe.steps)
    if recipe.name == "mlp-mnist":
        networks = tutorial.mlp_networks(latent)
        return tutorial.picture_steps(dataset.values, *networks, latent, batch_size)
    if recipe.name == "dcgan":
        channels, size = dataset.shape[0], dataset.shape[1]
        networks = tutorial.dcgan_networks(latent, channels=channels, size=size)
        return tutorial.picture_steps(dataset.values, *networks, latent, batch_size)
    return plain.steps(recipe, dataset)


def turns(steps: Iterator[Any]) -> Run:
    """So many steps of a loop at a time."""

    def run(count: int) -> None:
        for _ in range(count):
            next(steps)

    return run


__all__ = ["BARE", "PACKAGE", "PACKAGE_FP32", "PLAIN", "Run", "contender", "data_of", "names"]
