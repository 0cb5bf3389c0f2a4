"""Further terms by name: what a recipe adds to a player's adversarial loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.errors import InputError
from sparring.lookup import find
from sparring.networks.discriminator import Discriminator
from sparring.networks.styles import has_styles
from sparring.objectives.path_length import PathLength
from sparring.objectives.penalties import scheduled
from sparring.objectives.term import Term, Weight
from sparring.objectives.translated import (
    content,
    content_random,
    content_vgg16,
    cycle,
    identity,
    l1,
    l2,
)
from sparring.recipe import Recipe

G, D = "generator", "discriminator"
Players = Mapping[str, nn.Module]
# (players, weight, every) to the terms of each player.
MakeTerms = Callable[[Players, Weight, int], dict[str, Term]]


def classification(players: Players, weight: Weight, every: int) -> dict[str, Term]:
    """Both players want the class of their samples to be told (AC-GAN, Odena et al., 2017).

    Cross-entropy of the auxiliary classifier: the discriminator's on real samples, the generator's
    on its own. In the paper the discriminator learns from generated ones too, which
    `classification-of-fakes` adds: then it learns the labels of samples that do not show them.
    """
    _check_classifier(players)

    def of_real(batch: Any) -> Tensor:
        return _class_loss(batch.on_real.class_logits, batch.labels)

    def of_fake(batch: Any) -> Tensor:
        return _class_loss(batch.on_fake.class_logits, batch.fake_labels)

    return {
        D: Term("classification", of_real, weight, every),
        G: Term("classification", of_fake, weight, every, reads_real=False),
    }


def classification_of_fakes(players: Players, weight: Weight, every: int) -> dict[str, Term]:
    """What the paper of AC-GAN has besides: the discriminator names generated samples too."""
    _check_classifier(players)

    def of_fake(batch: Any) -> Tensor:
        return _class_loss(batch.on_fake.class_logits, batch.fake_labels)

    return {D: Term("classification-of-fakes", of_fake, weight, every)}


def _check_classifier(players: Players) -> None:
    judge = players[D]
    if isinstance(judge, Discriminator) and judge.head.classify is None:
        raise _no_classifier()


def _class_loss(class_logits: Tensor | None, labels: Tensor | None) -> Tensor:
    if class_logits is None or labels is None:
        raise _no_classifier()
    return cross_entropy(class_logits, labels, reduction="none")


def _no_classifier() -> InputError:
    return InputError(
        "term `classification` needs an auxiliary classifier in the discriminator",
        "set discriminator.condition=auxiliary and generator.condition=embedding",
    )


def feature_matching(players: Players, weight: Weight, every: int) -> dict[str, Term]:
    """The generator wants the discriminator's mean features of both sides to agree.

    ‖E f(x) - E f(G(z))‖², with the features before the discriminator's head (Salimans et al.,
    2016); means are over the batch, so that a sample's value depends on the others.
    """

    def distance(batch: Any) -> Tensor:
        real, fake = batch.on_real.features, batch.on_fake.features
        if real is None or fake is None:
            raise InputError(
                "term `feature-matching` needs a discriminator that tells its features",
                "derive it from sparring.networks.discriminator.Discriminator",
            )
        return (real.detach().mean(0) - fake.mean(0)).square().sum()

    return {G: Term("feature-matching", distance, weight, every, couples_batch=True)}


class HistoricalAverage(nn.Module):
    """‖θ - mean of θ over all moves so far‖² of a player (Salimans et al., 2016).

    The mean is kept as buffers, so that it is in every checkpoint; each move adds to it once.
    """

    def __init__(self, player: nn.Module, name: str) -> None:
        super().__init__()
        self.name = name
        for place, parameter in enumerate(player.parameters()):
            self.register_buffer(str(place), parameter.detach().clone())
        self.register_buffer("moves", torch.zeros(()))

    def forward(self, batch: Any) -> Tensor:
        player = batch.game.players[self.name]
        parameters = list(player.parameters())
        means = [self.get_buffer(str(place)) for place in range(len(parameters))]
        if batch.move.part.start == 0:  # once a move, however many micro-batches it has
            moves = self.get_buffer("moves").add_(1)
            for mean, parameter in zip(means, parameters, strict=True):
                mean.lerp_(parameter.detach(), 1 / moves.to(mean.dtype))
        away = [(p - mean).square().sum() for p, mean in zip(parameters, means, strict=True)]
        return torch.stack(away).sum()


def historical_averaging(players: Players, weight: Weight, every: int) -> dict[str, Term]:
    """Both players are held near the mean of their past weights, which ends cycles."""
    return {
        name: Term(
            "historical-averaging", HistoricalAverage(player, name), weight, every, reads_real=False
        )
        for name, player in players.items()
    }


def path_length(players: Players, weight: Weight, every: int) -> dict[str, Term]:
    """The generator's images change evenly with its styles (Karras et al., 2020)."""
    if not has_styles(players[G]):
        raise InputError(
            "term `path-length` needs a generator with styles", "set generator.name=stylegan2"
        )
    wanted = frozenset({"styles"})
    term = Term("path-length", PathLength(), weight, every, differentiates=wanted, reads_real=False)
    return {G: term}


TERMS: dict[str, MakeTerms] = {
    "content": content,
    "content-random": content_random,
    "content-vgg16": content_vgg16,
    "cycle": cycle,
    "identity": identity,
    "l1": l1,
    "l2": l2,
    "classification": classification,
    "classification-of-fakes": classification_of_fakes,
    "feature-matching": feature_matching,
    "historical-averaging": historical_averaging,
    "path-length": path_length,
}


def make_terms(recipe: Recipe, players: Players) -> dict[str, list[Term]]:
    """The further terms that a recipe names, for each player."""
    made: dict[str, list[Term]] = {G: [], D: []}
    samples = recipe.steps * recipe.batch_size
    for place, chosen in enumerate(recipe.terms):
        make = find(TERMS, chosen.name, f"terms.{place}.name")
        found = make(players, scheduled(chosen, samples), chosen.every)
        if not isinstance(found, dict) or not found.keys() <= made.keys():
            raise InputError(
                f"terms.{place}.name: `{chosen.name}` makes no terms",
                "let it return {'generator': sparring.objectives.Term(...)} or of both players",
            )
        for player, term in found.items():
            made[player].append(replace(term, apart=chosen.apart))
    return made
