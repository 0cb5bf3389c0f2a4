"""Differentiable augmentation of all that the discriminator sees (Zhao et al., 2020)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from sparring.objectives.augment import Augment, check_images

Kind = Literal["color", "translation", "cutout"]
SHIFT, HOLE = 1 / 8, 1 / 2  # of the image's side
DRAWS = 7  # numbers for each sample


class DiffAugment(Augment):
    """Colour, translation and cutout, drawn anew for each sample; `policy` chooses among them.

    Brightness moves by up to 0.5, contrast is scaled by 0.5 to 1.5, saturation by 0 to 2; images
    move by up to an eighth of their side and lose a square of half their side, which become 0.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        policy: list[Kind] = ["color", "translation", "cutout"],  # noqa: B006
    ) -> None:
        super().__init__()
        check_images("diffaugment", shape)
        self.policy = policy

    def forward(self, samples: Tensor, of: str, move: Any) -> Tensor:
        drawn = torch.rand(move.batch_size, DRAWS, generator=move.draw("diffaugment", of))
        drawn = drawn[move.part].to(samples.device, samples.dtype)
        if "color" in self.policy:
            samples = _color(samples, drawn[:, :3].view(-1, 3, 1, 1, 1))
        if "translation" in self.policy:
            samples = _translated(samples, drawn[:, 3:5])
        return _cut_out(samples, drawn[:, 5:]) if "cutout" in self.policy else samples


def _color(x: Tensor, drawn: Tensor) -> Tensor:
    """Brightness, saturation, contrast from draws [N, 3, 1, 1, 1]."""
    x = x + (drawn[:, 0] - 0.5)
    if x.shape[1] > 1:
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey) * (2 * drawn[:, 1])
    middle = x.mean((1, 2, 3), keepdim=True)
    return middle + (x - middle) * (drawn[:, 2] + 0.5)


def _translated(x: Tensor, drawn: Tensor) -> Tensor:
    """Whole pixels to any side; what comes into view is 0."""
    count, _, height, width = x.shape
    most = torch.tensor([round(height * SHIFT), round(width * SHIFT)], device=x.device)
    shift = (drawn * (2 * most + 1)).long().clamp(max=2 * most)  # 0 to twice the most
    down, right = int(most[0]), int(most[1])
    padded = pad(x, (right, right, down, down))
    rows = (torch.arange(height, device=x.device) + shift[:, :1])[:, None, :, None]
    columns = (torch.arange(width, device=x.device) + shift[:, 1:])[:, None, None, :]
    samples = torch.arange(count, device=x.device).view(-1, 1, 1, 1)
    channels = torch.arange(x.shape[1], device=x.device).view(1, -1, 1, 1)
    return padded[samples, channels, rows, columns]


def _cut_out(x: Tensor, drawn: Tensor) -> Tensor:
    """A square of half the side becomes 0; its centre is anywhere."""
    outside = []
    for axis, size in ((0, x.shape[2]), (1, x.shape[3])):
        start = (drawn[:, axis] * size).floor()[:, None] - size * HOLE / 2
        place = torch.arange(size, device=x.device)
        outside.append((place < start) | (place >= start + size * HOLE))
    return x * (outside[0][:, None, :, None] | outside[1][:, None, None, :])
