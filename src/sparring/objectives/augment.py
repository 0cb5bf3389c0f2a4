"""What samples pass through before the discriminator sees them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sparring.errors import InputError
from sparring.recipe import Schedule


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

    def figures(self) -> dict[str, Tensor]:
        """What belongs into the history."""
        return {}


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


def check_images(name: str, shape: tuple[int, ...]) -> None:
    """Raise InputError for data that are no images."""
    if len(shape) != 3:
        raise InputError(
            f"augment.name={name} changes images, not vectors",
            "leave augment out; instance_noise.std=0.1 works on vectors too",
        )
