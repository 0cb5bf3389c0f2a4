"""Further terms by name: what a recipe adds to a player's adversarial loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.errors import InputError
from sparring.lookup import find
from sparring.networks.discriminator import Discriminator
from sparring.objectives.penalties import scheduled
from sparring.objectives.term import Term, Weight
from sparring.recipe import Recipe

G, D = "generator", "discriminator"
Players = Mapping[str, nn.Module]
# (players, weight, every) to the terms of each player.
MakeTerms = Callable[[Players, Weight, int], dict[str, Term]]


def classification(players: Players, weight: Weight, every: int) -> dict[str, Term]:
    """Both players want the class of each sample to be told from it (AC-GAN, Odena et al., 2017).

    Cross-entropy of the auxiliary classifier: the discriminator's on real and generated samples,
    the generator's on its own.
    """

    judge = players[D]
    if isinstance(judge, Discriminator) and judge.head.classify is None:
        raise _no_classifier()

    def of_discriminator(batch: Any) -> Tensor:
        real = _class_loss(batch.on_real.class_logits, batch.labels)
        return real + _class_loss(batch.on_fake.class_logits, batch.fake_labels)

    def of_generator(batch: Any) -> Tensor:
        return _class_loss(batch.on_fake.class_logits, batch.fake_labels)

    return {
        D: Term("classification", of_discriminator, weight, every),
        G: Term("classification", of_generator, weight, every, reads_real=False),
    }


def _class_loss(class_logits: Tensor | None, labels: Tensor | None) -> Tensor:
    if class_logits is None or labels is None:
        raise _no_classifier()
    return cross_entropy(class_logits, labels, reduction="none")


def _no_classifier() -> InputError:
    return InputError(
        "term `classification` needs an auxiliary classifier in the discriminator",
        "set discriminator.condition=auxiliary and generator.condition=embedding",
    )


TERMS: dict[str, MakeTerms] = {"classification": classification}


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
            made[player].append(term)
    return made
