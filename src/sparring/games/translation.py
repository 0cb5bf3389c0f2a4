"""Games of images made of images: what they share, and those that learn from pairs (pix2pix)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sparring.data import Dataset, to_network
from sparring.errors import InputError
from sparring.games.batch import D, G, LatentBatch
from sparring.games.latent import LatentGame, objective_of
from sparring.games.phase import Given, Move, Phase
from sparring.games.sampling import Pictures, generate
from sparring.networks import build_discriminator, build_generator
from sparring.networks.discriminator import Judgement
from sparring.objectives import (
    Augment,
    Loss,
    Objective,
    Term,
    make_augment,
    make_penalties,
    make_terms,
)
from sparring.objectives.translated import pixels
from sparring.randomness import seed_of
from sparring.recipe import Recipe

ROWS = 24  # of a snapshot
PRETRAINING = "pretraining"
CPU = torch.device("cpu")


class Own(NamedTuple):
    """What came from code instead of the recipe."""

    generator: Callable[..., nn.Module] | None = None
    discriminator: Callable[..., nn.Module] | None = None
    loss: Loss | None = None
    penalties: Sequence[Term] = ()
    terms: Sequence[Term] = ()


class Parts(NamedTuple):
    """What a game of one generator against one discriminator is made of."""

    generator: nn.Module
    discriminator: nn.Module
    loss: Objective
    penalties: list[Term]
    terms: list[Term]
    augment: list[Augment]


class ImageGame(LatentGame):
    """G(x) against D: the generator is given images of the data set's source, not latents."""

    def __init__(
        self, recipe: Recipe, dataset: Dataset, parts: Parts, device: torch.device
    ) -> None:
        made, judge, loss, penalties, terms, augment = parts
        super().__init__(
            recipe, dataset, made, judge, loss, penalties, terms, device, augment=augment
        )

    def given(self, player: str, split: str) -> Given:
        return Pictures(self.dataset, split)

    def snapshot(self, averages: Mapping[str, nn.Module]) -> list[Tensor]:
        """Held-out inputs, what is made of them, and what should be where it is known."""
        pictures = Pictures(self.dataset, "select")
        seeds = range(ROWS)
        inputs = pictures.of(seeds)
        columns = [inputs.z, generate(averages[G], inputs, images=True), pictures.wanted(seeds)]
        return [column for column in columns if column is not None]

    def examples(self, player: str, count: int) -> Tensor:
        if player == G:
            return to_network(Pictures(self.dataset, "select").of(range(count)).z, CPU)
        return super().examples(player, count)


class PairedBatch(LatentBatch):
    """Inputs and the images that belong to them, and what the generator makes of the inputs."""

    game: PairedGame
    is_paired = True

    @cached_property
    def inputs(self) -> Tensor:
        """The inputs [n, ...] that belong to the real images, mirrored like them."""
        game = self.game
        assert game.dataset.source is not None
        values = game.dataset.source.rows(game.partner[self._indices])
        return self._flipped(to_network(values, game.device, game.dtype))

    @cached_property
    def z(self) -> Tensor:
        """What the generator is given."""
        return self.inputs

    def _judgement(
        self, of: str, samples: Tensor, labels: Tensor | None, views: int = 1
    ) -> Judgement:
        if self.game.shows_inputs:
            samples = torch.cat([self.inputs.repeat(views, 1, 1, 1), samples], dim=1)
        return super()._judgement(of, samples, labels, views)


class PairedGame(ImageGame):
    """One generator against one discriminator over pairs.

    With `shows_inputs` the discriminator judges an image beside its input, channel by channel, as
    in pix2pix. The generator may learn alone at first, from pixels (`pretraining`).
    """

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        parts: Parts,
        device: torch.device,
        shows_inputs: bool,
    ) -> None:
        super().__init__(recipe, dataset, parts, device)
        assert dataset.source is not None
        self.shows_inputs = shows_inputs
        self.partner = torch.zeros(len(dataset.values), dtype=torch.long)
        self.partner[dataset.splits["train"]] = dataset.source.splits["train"]
        self.phases = _pretrained(self.phases, recipe)

    def batch(self, move: Move) -> PairedBatch:
        return PairedBatch(self, move)

    def examples(self, player: str, count: int) -> Tensor:
        found = super().examples(player, count)
        if player == G or not self.shows_inputs:
            return found
        inputs = super().examples(G, 1).expand(len(found), -1, -1, -1)
        return torch.cat([inputs, found], dim=1)


def _pretrained(phases: list[Phase], recipe: Recipe) -> list[Phase]:
    """The phases after a stage in which the generator learns from pixels alone."""
    stage = recipe.pretraining
    if stage.samples == 0:
        return phases
    alone = Phase(
        PRETRAINING,
        (G,),
        recipe.optimizer.generator,
        [Term(stage.loss, lambda batch: pixels(stage.loss, batch))],
        active=lambda samples_seen: samples_seen < stage.samples,
    )
    later = [
        replace(phase, active=lambda samples_seen: samples_seen >= stage.samples)
        for phase in phases
    ]
    return [alone, *later]


def build_parts(
    recipe: Recipe,
    dataset: Dataset,
    device: torch.device,
    seen: tuple[int, ...],
    own: Own,
    way: str = "",
) -> Parts:
    """Networks, loss and terms of a direction; the discriminator sees images of shape `seen`.

    `way` tells the first weights of several directions apart.
    """
    assert dataset.source is not None
    seeds = {player: seed_of(recipe.seed, "init", player + way) for player in (G, D)}
    given = dataset.source.shape
    made = build_generator(recipe.generator, given, dataset.shape, seeds[G], own.generator)
    judge = build_discriminator(recipe.discriminator, seen, seeds[D], own.discriminator)
    further = make_terms(recipe, {G: made.to(device), D: judge.to(device)})
    return Parts(
        made,
        judge,
        objective_of(recipe, own.loss),
        [*make_penalties(recipe), *further[D], *own.penalties],
        [*further[G], *own.terms],
        make_augment(recipe, dataset.shape),
    )


def check_inputs(recipe: Recipe, dataset: Dataset, paired: bool) -> Dataset:
    """The source of a data set; InputError where it has none, or no pairs where they are needed."""
    kinds = "pairs, left, right, edges" if paired else "unpaired, inverted, recoloured, sheared"
    if dataset.source is None or (paired and "train" not in dataset.pairs):
        lacking = "inputs" if dataset.source is None else "pairs to learn from"
        raise InputError(
            f"data `{dataset.name}` has no {lacking}, which recipe {recipe.name} needs",
            f"set data.inputs to one of: {kinds}",
        )
    return dataset.source


def pix2pix_game(
    recipe: Recipe,
    dataset: Dataset,
    device: torch.device,
    *own: Any,
) -> PairedGame:
    """Pairs, and a discriminator that judges an image beside its input (Isola et al., 2017)."""
    source = check_inputs(recipe, dataset, paired=True)
    if source.shape[1:] != dataset.shape[1:]:
        raise InputError(
            f"inputs of {source.shape} and images of {dataset.shape} differ in size",
            "take recipe srgan to enlarge images",
        )
    if recipe.augment.name != "none":
        raise InputError(
            f"augment.name={recipe.augment.name} would move images away from their inputs",
            "leave augment out; data.flip=true mirrors both alike",
        )
    seen = (source.shape[0] + dataset.shape[0], *dataset.shape[1:])
    parts = build_parts(recipe, dataset, device, seen, Own(*own))
    return PairedGame(recipe, dataset, parts, device, shows_inputs=True)
