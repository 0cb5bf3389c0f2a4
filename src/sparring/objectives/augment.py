"""What samples pass through before the discriminator sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sparring.errors import InputError, said_by
from sparring.lookup import find
from sparring.recipe import Recipe, Schedule


class Augment(nn.Module):
    """A stage between samples and discriminator; what it remembers are its buffers.

    `move` gives it keyed draws for the whole batch, of which it takes the part that it is given:
    `move.draw("augment", of)`, `move.batch_size`, `move.part`, `move.samples_seen`. It must be
    differentiable twice by the samples, since penalties look through it.
    """

    def forward(self, samples: Tensor, of: str, move: Any) -> Tensor:
        """Samples [n, ...] of the name `of` (real, fake, ...) to samples of the same shape."""
        raise NotImplementedError

    def watch(self, real_logits: Tensor) -> None:
        """Told what the discriminator says of real samples while it learns."""

    def adapt(self) -> None:
        """Called after each move of the discriminator."""


class InstanceNoise(Augment):
    """Normal noise on real and generated samples, less and less (Sønderby et al., 2017).

    `std` in the units of the networks, images being in [-1, 1]; `samples` is the length of the run.
    """

    def __init__(self, std: float, schedule: Schedule, samples: int) -> None:
        super().__init__()
        self.std, self.schedule, self.samples = std, schedule, samples

    def forward(self, samples: Tensor, of: str, move: Any) -> Tensor:
        std = self.std * self.schedule.factor(move.samples_seen / self.samples)
        if std == 0:
            return samples
        shape = (move.batch_size, *samples.shape[1:])
        noise = torch.randn(shape, generator=move.draw("instance-noise", of))[move.part]
        return samples + std * noise.to(samples.device, samples.dtype)


AUGMENTS: dict[str, Callable[..., Augment]] = {}


def make_augment(recipe: Recipe, shape: tuple[int, ...]) -> list[Augment]:
    """The stages that a recipe names, in the order in which samples pass them."""
    stages: list[Augment] = []
    chosen = recipe.augment
    if chosen.name != "none":
        make = find(AUGMENTS, chosen.name, "augment.name")
        try:
            stages.append(make(shape, **chosen.options()))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"augment: `{chosen.name}` cannot be made: {said_by(error)}",
                "see the options of `augment` in the guide",
            ) from error
    noise = recipe.instance_noise
    if noise.std > 0:
        stages.append(InstanceNoise(noise.std, noise.schedule, recipe.steps * recipe.batch_size))
    return stages
