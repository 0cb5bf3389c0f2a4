"""Adaptive discriminator augmentation (ADA; Karras et al., 2020)."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import affine_grid

from sparring import ranks
from sparring.objectives.augment import Augment, check_images
from sparring.objectives.warp import warp

Kind = Literal["blit", "geometry", "color"]
EVERY = 4  # batches between two changes of p
LUMA = (1 / 3**0.5,) * 3  # the grey axis of colour space


class Ada(Augment):
    """Every transform with probability p, which adapts so that E[sign D(real)] reaches `target`.

    p moves by at most 1 in `speed` samples; `target` None keeps p as it is. `blit`: mirroring,
    quarter turns, shifts by whole pixels; `geometry`: scaling, turning, stretching, shifting;
    `color`: brightness, contrast, inverted luma, hue, saturation. Images continue mirrored beyond
    their edges. Unlike the paper's, samples between pixels are bilinear, without a low-pass filter.
    """

    p: Tensor
    signs: Tensor
    batches: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        policy: list[Kind] = ["blit", "geometry", "color"],  # noqa: B006
        target: float | None = 0.6,
        speed: float = 500_000,
        p: float = 0.0,
    ) -> None:
        super().__init__()
        check_images("ada", shape)
        self.policy, self.target, self.speed = policy, target, speed
        self.register_buffer("p", torch.tensor(float(p)))
        self.register_buffer("signs", torch.zeros(2))  # their sum, and of how many
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, samples: Tensor, of: str, move: Any) -> Tensor:
        draws = _Draws(self.p, samples, move.draw("ada", of), move.batch_size, move.part)
        if "blit" in self.policy or "geometry" in self.policy:
            to_source = torch.eye(3, device=samples.device).expand(len(samples), 3, 3)
            if "blit" in self.policy:
                to_source = to_source @ _blit(draws, samples.shape[-1])
            if "geometry" in self.policy:
                to_source = to_source @ _geometry(draws)
            grid = affine_grid(to_source[:, :2], list(samples.shape), align_corners=False)
            samples = warp(samples, grid.to(samples.dtype))
        return _color(samples, draws) if "color" in self.policy else samples

    def watch(self, real_logits: Tensor) -> None:
        if self.target is not None:
            self.signs[0] += ranks.summed(real_logits.sign().sum())
            self.signs[1] += len(real_logits) * ranks.count()

    def adapt(self) -> None:
        """After every fourth batch, without waiting for the device."""
        if self.target is None:
            return
        self.batches += 1
        due = (self.batches >= EVERY).float()
        overfitting = self.signs[0] / self.signs[1].clamp(min=1)
        step = (overfitting - self.target).sign() * self.signs[1] / self.speed
        self.p.add_(due * step).clamp_(0, 1)
        self.signs *= 1 - due
        self.batches *= 1 - due

    def figures(self) -> dict[str, Tensor]:
        return {"augment/p": self.p.clone()[None]}


class _Draws:
    """Keyed draws for each sample of a part of the batch."""

    def __init__(
        self, p: Tensor, samples: Tensor, draw: torch.Generator, batch_size: int, part: slice
    ) -> None:
        self.p, self.device, self.draw = p, samples.device, draw
        self.batch_size, self.part = batch_size, part

    def uniform(self) -> Tensor:
        """On [0, 1), of every sample."""
        return torch.rand(self.batch_size, generator=self.draw)[self.part].to(self.device)

    def normal(self) -> Tensor:
        return torch.randn(self.batch_size, generator=self.draw)[self.part].to(self.device)

    def maybe(self, drawn: Tensor, neutral: float, p: Tensor | None = None) -> Tensor:
        """`drawn` where the transform is applied, else what changes nothing."""
        applied = self.uniform() < (self.p if p is None else p)
        return torch.where(applied, drawn, torch.full_like(drawn, neutral))


def _matrix(rows: list[list[Tensor | float]], like: Tensor) -> Tensor:
    """Matrices [N, 3, 3] from entries that are numbers or [N]."""
    full = [[torch.as_tensor(e, device=like.device).expand_as(like) for e in row] for row in rows]
    return torch.stack([torch.stack(row, dim=1) for row in full], dim=1)


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    return _matrix([[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, 1.0]], x)


def _turning(angle: Tensor) -> Tensor:
    cosine, sine = angle.cos(), angle.sin()
    return _matrix([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]], angle)


def _shifting(x: Tensor, y: Tensor) -> Tensor:
    return _matrix([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]], x)


def _blit(draws: _Draws, size: int) -> Tensor:
    """Mirroring, quarter turns, shifts by up to an eighth of the side in whole pixels."""
    flip = draws.maybe((draws.uniform() < 0.5).float(), 0.0)
    turns = draws.maybe((draws.uniform() * 4).floor(), 0.0)
    shifts = [(draws.uniform() * 2 - 1) / 8 * size for _ in range(2)]
    moved = [draws.maybe(shift.round() * 2 / size, 0.0) for shift in shifts]
    mirrored = _scaling(1 - 2 * flip, torch.ones_like(flip))
    return _shifting(moved[0], moved[1]) @ _turning(turns * (math.pi / 2)) @ mirrored


def _geometry(draws: _Draws) -> Tensor:
    """Scaling, turning before and after stretching, shifting by fractions of pixels."""
    log2 = math.log(2)
    scale = draws.maybe((0.2 * log2 * draws.normal()).exp(), 1.0)
    # Two turns, each with the probability that makes p for both together.
    rare = 1 - (1 - draws.p).clamp(min=0).sqrt()
    angles = [draws.maybe((draws.uniform() * 2 - 1) * math.pi, 0.0, rare) for _ in range(2)]
    stretch = draws.maybe((0.2 * log2 * draws.normal()).exp(), 1.0)
    x, y = (0.125 * 2 * draws.normal() for _ in range(2))
    shift = _shifting(draws.maybe(x, 0.0), draws.maybe(y, 0.0))
    turned = _turning(angles[1]) @ _scaling(stretch, 1 / stretch) @ _turning(angles[0])
    return shift @ turned @ _scaling(scale, scale)


def _color(x: Tensor, draws: _Draws) -> Tensor:
    """Brightness, contrast, inverted luma; for three channels hue and saturation too."""
    log2 = math.log(2)
    shift = draws.maybe(0.2 * draws.normal(), 0.0).view(-1, 1, 1, 1).to(x.dtype)
    gain = draws.maybe((0.5 * log2 * draws.normal()).exp(), 1.0).view(-1, 1, 1, 1).to(x.dtype)
    inverted = draws.maybe((draws.uniform() < 0.5).float(), 0.0)
    angle = draws.maybe((draws.uniform() * 2 - 1) * math.pi, 0.0)
    saturation = draws.maybe((log2 * draws.normal()).exp(), 1.0)
    x = (x + shift) * gain
    if x.shape[1] == 1:
        return x * (1 - 2 * inverted).view(-1, 1, 1, 1).to(x.dtype)
    axis = torch.tensor(LUMA, device=x.device)
    along = axis.outer(axis)
    a, b, c = LUMA
    cross = torch.tensor([[0, -c, b], [c, 0, -a], [-b, a, 0]], device=x.device)
    across = torch.eye(3, device=x.device) - along
    cosine, sine = (of(angle).view(-1, 1, 1) for of in (torch.cos, torch.sin))
    hue = along + cosine * across + sine * cross
    luma = torch.eye(3, device=x.device) - 2 * along * inverted.view(-1, 1, 1)
    mixed = (along + across * saturation.view(-1, 1, 1)) @ hue @ luma
    return torch.einsum("nij,njhw->nihw", mixed.to(x.dtype), x)
