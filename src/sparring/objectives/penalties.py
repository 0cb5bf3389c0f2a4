"""Penalties on the discriminator's gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sparring.errors import InputError, said_by
from sparring.lookup import find
from sparring.objectives.term import Term, Weight


def squared_gradient_norm(logits: Tensor, images: Tensor) -> Tensor:
    """||∂ logit / ∂ image||² of each sample [N], with a graph for the second backward pass.

    One logit [1] for the whole batch counts as that of each of its samples, so that a weight means
    the same whatever the batch size.
    """
    total = logits.sum() * (len(images) / len(logits))
    (gradient,) = torch.autograd.grad(total, images, create_graph=True)
    return gradient.square().flatten(1).sum(1)


def r1(weight: Weight, every: int = 1) -> Term:
    """Squared gradient norm on real samples, no ½: γ = 10 is weight 5 (Mescheder et al., 2018)."""

    def penalty(batch: Any) -> Tensor:
        return squared_gradient_norm(batch.on_real.logits, batch.real)

    return Term("r1", penalty, weight, every, differentiates=frozenset({"real"}))


def r2(weight: Weight, every: int = 1) -> Term:
    """The same on fake samples (Mescheder et al., 2018)."""

    def penalty(batch: Any) -> Tensor:
        return squared_gradient_norm(batch.on_fake.logits, batch.fake)

    return Term("r2", penalty, weight, every, differentiates=frozenset({"fake"}))


PENALTIES = {"r1": r1, "r2": r2}


def make_penalty(name: str, weight: Weight, every: int, key: str) -> Term:
    """The penalty that a recipe names; InputError, with the recipe's key, if it is none."""
    make = find(PENALTIES, name, key)
    hint = "name a function (weight, every) that returns a sparring.objectives.Term"
    try:
        term = make(weight, every)
    except Exception as error:  # the user's own code
        raise InputError(f"{key}: `{name}` cannot be made: {said_by(error)}", hint) from error
    if not isinstance(term, Term):
        raise InputError(f"{key}: `{name}` is no penalty", hint)
    return term
