"""The generator's loss against a discriminator that has answered already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sparring.errors import InputError
from sparring.objectives.losses import Objective
from sparring.objectives.term import Term
from sparring.recipe import Recipe

D = "discriminator"
TINY = 1e-16  # of a squared gradient: the root of 0 has no slope
Moments = tuple[Tensor, Tensor]


class Unrolled(nn.Module):
    """The generator's loss [n] after `unroll.steps` more moves of the discriminator on this batch.

    The moves are differentiable and made on copies: the discriminator's weights, batch statistics
    and spectral vectors stay. They minimize its adversarial loss, without penalties, by SGD
    without momentum or by Adam, whichever is its optimizer (Metz et al., 2017, use Adam). Adam's
    moments are buffers here that follow the gradients of the first moves, which are those that the
    discriminator itself meets.
    """

    mean: Tensor
    square: Tensor
    moves: Tensor

    def __init__(self, discriminator: nn.Module, loss: Objective, recipe: Recipe) -> None:
        super().__init__()
        self.loss, self.steps = loss, recipe.unroll.steps
        self.optimizer = recipe.optimizer.discriminator
        self.samples = recipe.steps * recipe.batch_size
        if self.optimizer.name == "rmsprop":
            raise InputError(
                "unroll.steps: moves by rmsprop cannot be unrolled",
                "set optimizer.discriminator.name=adam or sgd, or unroll.steps=0",
            )
        if self.optimizer.name == "adam":
            weights = nn.utils.parameters_to_vector(discriminator.parameters()).detach()
            self.register_buffer("mean", torch.zeros_like(weights))
            self.register_buffer("square", torch.zeros_like(weights))
            self.register_buffer("moves", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Any) -> Tensor:
        seen_by = self._views(batch)
        weights = nn.utils.parameters_to_vector(batch.game.players[D].parameters()).detach()
        weights.requires_grad_()
        progress = batch.move.samples_seen / self.samples
        lr = self.optimizer.lr * self.optimizer.schedule.factor(progress)
        moments = (self.mean, self.square) if self.optimizer.name == "adam" else None
        for step in range(self.steps):
            view = seen_by(weights)
            cost = self.loss.discriminator(view.on_real.logits, view.on_fake.logits).mean()
            (way,) = torch.autograd.grad(cost, weights, create_graph=True)
            if moments is not None:
                way, moments = self._adam(way, moments, step, progress)
            weights = weights - lr * way
        view = seen_by(weights)
        if self.loss.loss.saturating:
            # The minimax game: its value depends on real samples too, through the answer.
            return -self.loss.discriminator(view.on_real.logits, view.on_fake.logits)
        real = view.on_real.logits if self.loss.pairing else None
        return self.loss.generator(real, view.on_fake.logits)

    def _views(self, batch: Any) -> Callable[[Tensor], Any]:
        """The batch as seen by a discriminator of these weights, all in one vector."""
        judge = batch.game.players[D]
        names, like = zip(*judge.named_parameters(), strict=True)
        sizes = [weight.numel() for weight in like]
        buffers = {name: buffer.clone() for name, buffer in judge.named_buffers()}
        _ = batch.real, batch.fake  # made before the views part, once for all of them

        def seen_by(weights: Tensor) -> Any:
            parts = zip(names, weights.split(sizes), like, strict=True)
            moved = {name: part.view(weight.shape) for name, part, weight in parts}
            return batch.with_parameters(D, moved | buffers)

        return seen_by

    def _adam(
        self, slope: Tensor, moments: Moments, step: int, progress: float
    ) -> tuple[Tensor, Moments]:
        """Adam's way for rate 1 and the moments after it, which are kept after the first move."""
        first, second = self.optimizer.betas_at(progress)
        mean = torch.lerp(slope, moments[0], first)
        square = torch.lerp(slope.square(), moments[1], second)
        if step == 0:
            with torch.no_grad():
                self.mean.copy_(mean)
                self.square.copy_(square)
                self.moves += 1
        count = int(self.moves) + step
        scale = (square / (1 - second**count) + TINY).sqrt()
        return mean / (1 - first**count) / scale, (mean, square)


def unrolled(discriminator: nn.Module, loss: Objective, recipe: Recipe) -> Term:
    """The generator's adversarial term with the discriminator's next moves unrolled."""
    answered = Unrolled(discriminator, loss, recipe)
    # Gradients of the discriminator are differentiated again, which wants fp32.
    wanted = frozenset({"answer"})
    return Term("adversarial", answered, differentiates=wanted, couples_batch=True)
