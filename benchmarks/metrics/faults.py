"""Faults of samples in rising strength, made from real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

Draw = torch.Generator


class Real(NamedTuple):
    """Real samples that play the generator's, their classes, and what a GAN would have seen."""

    pool: Tensor
    classes: Tensor
    train: Tensor
    count: int  # samples to make

    def some(self, draw: Draw, weights: Tensor | None = None) -> Tensor:
        """`count` different samples, by weights [K] of the classes where given."""
        if weights is None:
            return self.pool[torch.randperm(len(self.pool), generator=draw)[: self.count]]
        each = weights[self.classes] / self.classes.bincount(minlength=len(weights))[self.classes]
        return self.pool[torch.multinomial(each, self.count, generator=draw)]


class Fault(NamedTuple):
    """What a fault does at a strength, in words, and its strengths from weak to strong."""

    words: str
    strengths: tuple[float, ...]
    apply: Callable[[Real, float, Draw], Tensor]


def blurred(real: Real, sigma: float, draw: Draw) -> Tensor:
    return gaussian_blur(real.some(draw), 9, sigma)


def noisy(real: Real, std: float, draw: Draw) -> Tensor:
    """Gaussian noise: in grey levels on images, in the data's units on vectors."""
    samples = real.some(draw)
    moved = samples + std * torch.randn(samples.shape, generator=draw)
    return moved.round().clamp(0, 255).to(torch.uint8) if samples.dtype == torch.uint8 else moved


def dropped(real: Real, share: float, draw: Draw) -> Tensor:
    """Without the first classes."""
    kinds = int(real.classes.max()) + 1
    weights = (torch.arange(kinds) >= round(share * kinds)).float()
    return real.some(draw, weights)


def duplicated(real: Real, distinct: float, draw: Draw) -> Tensor:
    """Few distinct ones, repeated."""
    few = real.some(draw)[: int(distinct)]
    return few[torch.arange(real.count) % len(few)]


def memorized(real: Real, share: float, draw: Draw) -> Tensor:
    """A share of training samples, the others new."""
    copies = round(share * real.count)
    picked = torch.randperm(len(real.train), generator=draw)[:copies]
    return torch.cat([real.train[picked], real.some(draw)[copies:]])


def unbalanced(real: Real, ratio: float, draw: Draw) -> Tensor:
    """Each class `ratio` times as frequent as the one before it."""
    kinds = int(real.classes.max()) + 1
    return real.some(draw, ratio ** torch.arange(kinds).float())


OF_CLASSES = {
    "dropped": Fault("share of classes missing", (0.1, 0.2, 0.4, 0.6, 0.8), dropped),
    "duplicated": Fault("distinct samples", (500, 200, 50, 20, 10), duplicated),
    "memorized": Fault("share of training data", (0.1, 0.25, 0.5, 0.75, 1.0), memorized),
    "imbalance": Fault("frequency of each class over the last", (0.95, 0.9, 0.8, 0.65, 0.5),
                       unbalanced),
}  # fmt: skip
OF_IMAGES = {
    "blur": Fault("standard deviation in pixels", (0.4, 0.6, 0.8, 1.2, 2.0), blurred),
    "noise": Fault("standard deviation in grey levels", (4, 8, 16, 32, 64), noisy),
} | OF_CLASSES
OF_VECTORS = {"noise": Fault("standard deviation", (0.02, 0.05, 0.1, 0.2, 0.5), noisy)} | {
    **OF_CLASSES,
    # Fewer than 2% of a grid's 25 modes cannot be missing.
    "dropped": Fault("share of modes missing", (0.04, 0.12, 0.2, 0.4, 0.8), dropped),
}
