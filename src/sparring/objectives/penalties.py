"""Penalties on the discriminator's gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import relu

from sparring.errors import InputError, said_by
from sparring.lookup import find
from sparring.objectives.term import Term, Weight
from sparring.recipe import Penalty, Recipe

TINY = 1e-12  # of a squared norm: the root of 0 has no slope


def squared_gradient_norm(logits: Tensor, images: Tensor) -> Tensor:
    """||∂ logit / ∂ image||² of each sample [N], with a graph for the second backward pass.

    One logit [1] for the whole batch counts as that of each of its samples, and of patches [N, P]
    the mean does, so that a weight means the same whatever the batch size.
    """
    total = logits.sum() * (len(images) / logits.numel())
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


def gp(weight: Weight, every: int = 1) -> Term:
    """(‖∇‖ - 1)² between real and fake samples: WGAN-GP (Gulrajani et al., 2017)."""
    return _on_interpolates("gp", lambda norm: (norm - 1).square(), weight, every)


def lp(weight: Weight, every: int = 1) -> Term:
    """max(0, ‖∇‖ - 1)² there: slopes may be flatter than 1 (Petzka et al., 2018)."""
    return _on_interpolates("lp", lambda norm: relu(norm - 1).square(), weight, every)


def dragan(weight: Weight, every: int = 1) -> Term:
    """(‖∇‖ - 1)² around real samples (DRAGAN, Kodali et al., 2017).

    At x + u s/2 with u uniform on [0, 1) for each value and s the standard deviation of the batch.
    """

    def penalty(batch: Any) -> Tensor:
        real = batch.real.detach()
        noise = batch.uniform("dragan", real.shape[1:])
        norm = _norm_at(batch, "dragan", real + 0.5 * real.std() * noise, batch.labels)
        return (norm - 1).square()

    wanted = frozenset({"dragan"})
    return Term("dragan", penalty, weight, every, differentiates=wanted, couples_batch=True)


def _on_interpolates(
    name: str, of_norm: Callable[[Tensor], Tensor], weight: Weight, every: int
) -> Term:
    """A function of the gradient norm at u x + (1 - u) G(z), one u on [0, 1) a sample."""

    def penalty(batch: Any) -> Tensor:
        real, fake = batch.real.detach(), batch.fake.detach()
        share = batch.uniform(name, (1,) * (real.dim() - 1))
        return of_norm(_norm_at(batch, name, torch.lerp(fake, real, share), batch.labels))

    return Term(name, penalty, weight, every, differentiates=frozenset({"interpolates"}))


def _norm_at(batch: Any, name: str, points: Tensor, labels: Tensor | None) -> Tensor:
    """‖∂ logit / ∂ point‖ of each sample [N], safe to differentiate where it is 0."""
    points.requires_grad_()
    squared = squared_gradient_norm(batch.judge(name, points, labels).logits, points)
    return (squared + TINY).sqrt()


PENALTIES = {"r1": r1, "r2": r2, "gp": gp, "lp": lp, "dragan": dragan}


def make_penalties(recipe: Recipe) -> list[Term]:
    """The penalties of a recipe."""
    samples = recipe.steps * recipe.batch_size
    return [
        replace(
            make_penalty(one.name, scheduled(one, samples), one.every, f"penalties.{place}.name"),
            apart=one.apart,
        )
        for place, one in enumerate(recipe.penalties)
    ]


def scheduled(chosen: Penalty, samples: int) -> Weight:
    """A weight, as a function of samples seen where it has a schedule."""
    if chosen.schedule.name == "constant":
        return chosen.weight
    return lambda samples_seen: chosen.weight * chosen.schedule.factor(samples_seen / samples)


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
