"""Self-attention over the pixels of a feature map."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from sparring.errors import InputError

REDUCTION = 8  # queries, keys and values have this many times fewer channels than the map


class SelfAttention(nn.Module):
    """Maps [N, C, H, W] plus gamma times what each pixel gathers from all (Zhang et al., 2019).

    gamma starts at 0, so that a network begins as it would without. Weights are softmax(q·k)
    without a scale, as published. PyTorch's fused kernels need memory in proportion to the pixels
    of a map; where gradients are differentiated again, there is a matrix of pixels x pixels for
    each sample.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // REDUCTION)
        self.query, self.key, self.value = (
            nn.Conv2d(channels, inner, 1, bias=False) for _ in range(3)
        )
        self.out = nn.Conv2d(inner, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        asked, known, told = (
            layer(x).flatten(2).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        gathered = scaled_dot_product_attention(asked, known, told, scale=1.0)
        maps = gathered.transpose(1, 2).unflatten(2, x.shape[2:])
        return x + self.gamma * self.out(maps)


class Attended:
    """Gives the layers of attention that a network's `attention` option asks for, by resolution."""

    def __init__(self, player: str, resolutions: Sequence[int]) -> None:
        self.player, self.asked = player, list(resolutions)
        self.offered: list[int] = []

    def at(self, resolution: int, channels: int) -> Iterable[nn.Module]:
        """The layer for a map of this resolution, as a list of none or one."""
        self.offered.append(resolution)
        return [SelfAttention(channels)] if resolution in self.asked else []

    def check(self) -> None:
        """InputError for a resolution at which the network has no map."""
        for resolution in self.asked:
            if resolution not in self.offered:
                there = ", ".join(map(str, sorted(set(self.offered))))
                raise InputError(
                    f"{self.player}.attention: no map of {resolution} pixels to attend over",
                    f"choose from: {there}",
                )
