"""What networks share that begin with small images and grow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pad

from sparring.networks.dcgan import cropped

WHOLE = 2**24  # parts of a fade-in that a stage can tell


class Growing(nn.Module):
    """A network that works at one of several resolutions, each twice the one before.

    At level k it works at `resolutions[k]`, of which what the resolution below does not have counts
    by the share `alpha`. Whatever the level, images that come in or go out have full size: beside
    it nothing has to know. All parameters exist from the start. The stage is a buffer, so that it
    goes where the weights go; until `grow` is called, a network is fully grown.
    """

    stage: Tensor
    level: int
    alpha: float

    def __init__(self, size: int, resolutions: Sequence[int]) -> None:
        super().__init__()
        self.size, self.resolutions = size, tuple(resolutions)
        # One whole number: it is copied into averages, not averaged.
        self.register_buffer("stage", torch.zeros((), dtype=torch.int64))
        self.register_load_state_dict_post_hook(_take_up_stage)
        self.level, self.alpha = -1, 0.0
        self.grow(len(self.resolutions) - 1)

    def grow(self, level: int, alpha: float = 1.0) -> None:
        """Work at `resolutions[level]`, faded in by the share `alpha`, 0 to 1."""
        parts = round(alpha * WHOLE)
        if (level, parts / WHOLE) != (self.level, self.alpha):
            self.level, self.alpha = level, parts / WHOLE
            self.stage.fill_(level * 2 * WHOLE + parts)

    def enlarged(self, images: Tensor) -> Tensor:
        """Images at the present resolution, at full size: each pixel as a block of equal ones."""
        times = self.resolutions[-1] // self.resolutions[self.level]
        images = interpolate(images, scale_factor=float(times)) if times > 1 else images
        return cropped(images, self.size)

    def reduced(self, images: Tensor, level: int) -> Tensor:
        """Images of full size at the resolution of a level: each pixel the mean of a block."""
        times, side = self.resolutions[-1] // self.resolutions[level], images.shape[-1]
        first = (self.resolutions[-1] - side) // 2
        if first:
            last = self.resolutions[-1] - side - first
            images = pad(images, (first, last, first, last), mode="replicate")
        return avg_pool2d(images, times) if times > 1 else images

    def faded(self, real: Tensor) -> Tensor:
        """Real images [N, C, H, W] with as much detail as the generator's while it fades in.

        What the present resolution adds counts by `alpha`; of finer detail the discriminator only
        sees the means.
        """
        if self.alpha == 1:
            return real
        below = self.reduced(real, self.level - 1)
        times = self.resolutions[-1] // self.resolutions[self.level - 1]
        coarse = cropped(interpolate(below, scale_factor=float(times)), self.size)
        return torch.lerp(coarse, real, self.alpha)


def _take_up_stage(network: nn.Module, keys: Any) -> None:
    """After loading: work at the stage that came with the weights."""
    assert isinstance(network, Growing)
    network.level, parts = divmod(int(network.stage), 2 * WHOLE)
    network.alpha = parts / WHOLE
