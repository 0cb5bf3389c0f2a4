"""What pictures are made of: the networks of a checkpoint, and the data they met."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sparring.data import Dataset, open_data
from sparring.errors import InputError
from sparring.games import Game, LatentGame, Prior, prior_of
from sparring.lookup import find
from sparring.model import CONFIG
from sparring.networks import build_discriminator, build_generator
from sparring.objectives import LOSSES, Objective, objective
from sparring.recipe import Recipe
from sparring.recipes import load_recipe
from sparring.run import RunFolder
from sparring.training import checkpoint

GROUPS = {
    "generator": "ema/generator/",
    "generator_back": "ema/generator_back/",
    "discriminator": "player/discriminator/",
}


@dataclass(frozen=True)
class Scene:
    """Both networks at one step, and the data; what cannot be had again is None.

    `generator` is the averaged one. `loss` None: one's own, of which nothing is known. Where images
    are made of images, `back` is the generator of the other direction, if there is one.
    """

    step: int
    prior: Prior
    generator: nn.Module
    discriminator: nn.Module | None
    loss: Objective | None
    dataset: Dataset | None
    is_images: bool
    back: nn.Module | None = None


def read_scene(
    run: RunFolder, notes: list[str], dataset: Dataset | None = None, game: Game | None = None
) -> Scene | None:
    """The scene of a run's best checkpoint, or of its last one while there is no best.

    dataset, game: those of the run where they are at hand; else both are made again from the
    recipe. None where there is nothing to draw; `notes` are told what is left out, and why.
    """
    found = _checkpoint(run, notes)
    if found is None:
        return None
    recipe = _recipe(run)
    if recipe is None:
        return None  # the page says itself that the recipe is damaged
    dataset = dataset or _dataset(recipe, found, notes)
    if recipe.data.inputs is not None and dataset is None:
        return None  # nothing is there to be translated
    shape = dataset.shape if dataset else _shape(run)
    inputs = dataset.source.shape if dataset and dataset.source else None
    players = {
        name: _player(name, recipe, shape, found, game, notes, inputs) if shape else None
        for name in GROUPS
    }
    generator = players["generator"]
    if generator is None or shape is None:
        return None
    return Scene(
        step=found.meta["step"],
        prior=(
            prior_of(recipe.latent, dataset, generator)
            if dataset
            else Prior(recipe.latent, _config(run).get("class_counts", ()))
        ),
        generator=generator,
        discriminator=players["discriminator"],
        loss=_loss(recipe, game),
        dataset=dataset,
        is_images=len(shape) == 3,
        back=players["generator_back"],
    )


def _checkpoint(run: RunFolder, notes: list[str]) -> checkpoint.Checkpoint | None:
    """The best checkpoint, else the last."""
    for name in (checkpoint.BEST, checkpoint.LAST):
        path = run.checkpoints / name
        if not path.is_file():
            continue
        try:
            return checkpoint.read(path)
        except checkpoint.BrokenCheckpoint as problem:
            notes.append(f"checkpoints/{name}: {problem}; no picture was made from it.")
    return None


def _recipe(run: RunFolder) -> Recipe | None:
    try:
        return load_recipe(run.recipe)
    except InputError:
        return None


def _dataset(recipe: Recipe, found: checkpoint.Checkpoint, notes: list[str]) -> Dataset | None:
    """The data of a recipe, if it is still what the run was trained on."""
    try:
        dataset = open_data(recipe.data)
    except (InputError, OSError) as problem:
        notes.append(f"Pictures with real samples are left out: {problem}.")
        return None
    if dataset.fingerprint != found.meta.get("data"):
        notes.append("Pictures with real samples are left out: the data has other contents now.")
        return None
    return dataset


def _shape(run: RunFolder) -> tuple[int, ...] | None:
    """The shape of a sample, from the description of the shipped model."""
    shape = _config(run).get("shape")
    return tuple(shape) if isinstance(shape, list) else None


def _config(run: RunFolder) -> dict[str, Any]:
    """The description of the shipped model; empty where there is none."""
    try:
        found = json.loads((run.model / CONFIG).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _player(
    name: str,
    recipe: Recipe,
    shape: tuple[int, ...],
    found: checkpoint.Checkpoint,
    game: Game | None,
    notes: list[str],
    inputs: tuple[int, ...] | None,
) -> nn.Module | None:
    """A network with the checkpoint's weights; None if it is one's own and cannot be made here.

    `inputs` is the shape of the images that images are made of.
    """
    prefix = GROUPS[name]
    tensors = {
        key.removeprefix(prefix): tensor
        for key, tensor in found.tensors.items()
        if key.startswith(prefix)
    }
    if not tensors or (inputs and name == "discriminator"):
        return None  # a game with other players, or pictures that have no place for it
    try:
        if game:
            network = copy.deepcopy(game.players[name])
        elif name == "generator":
            given = inputs or recipe.latent.size
            network = build_generator(recipe.generator, given, shape, seed=0)
        elif name == "generator_back":
            assert inputs is not None
            network = build_generator(recipe.generator, shape, inputs, seed=0)
        else:
            network = build_discriminator(recipe.discriminator, shape, seed=0)
        network.load_state_dict(tensors)
    except Exception as problem:  # importing and building a user's network can raise anything
        notes.append(f"Pictures that need the {name} are left out: {problem}.")
        return None
    # Kernels differ between layouts: this is that of training and of `sparring sample`.
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def _loss(recipe: Recipe, game: Game | None) -> Objective | None:
    """The loss, which says how logits are to be read."""
    if isinstance(game, LatentGame):
        return game.loss
    if "loss" in recipe.custom:
        return None
    smoothing = recipe.loss.smoothing
    loss = find(LOSSES, recipe.loss.name, "loss.name")
    return objective(loss, recipe.loss.pairing, smoothing.real, smoothing.fake)
