"""Faults of samples in rising strength, made from real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

Draw = torch.Generator


class Labelled(NamedTuple):
    """Samples and their classes, as a class-conditional generator would be asked for them."""

    samples: Tensor
    labels: Tensor

    def at(self, rows: Tensor | slice) -> Labelled:
        return Labelled(self.samples[rows], self.labels[rows])


class Real(NamedTuple):
    """Real samples that play the generator's, and what a GAN would have seen."""

    pool: Labelled
    train: Labelled
    count: int  # samples to make

    def some(self, draw: Draw, weights: Tensor | None = None) -> Labelled:
        """`count` different samples, by weights [K] of the classes where given."""
        labels = self.pool.labels
        if weights is None:
            return self.pool.at(torch.randperm(len(labels), generator=draw)[: self.count])
        each = weights[labels] / labels.bincount(minlength=len(weights))[labels]
        return self.pool.at(torch.multinomial(each, self.count, generator=draw))

    @property
    def kinds(self) -> int:
        return int(self.pool.labels.max()) + 1


class Fault(NamedTuple):
    """What a fault does at a strength, in words, and its strengths from weak to strong."""

    words: str
    strengths: tuple[float, ...]
    apply: Callable[[Real, float, Draw], Labelled]


def blurred(real: Real, sigma: float, draw: Draw) -> Labelled:
    some = real.some(draw)
    return some._replace(samples=gaussian_blur(some.samples, 9, sigma))


def noisy(real: Real, std: float, draw: Draw) -> Labelled:
    """Gaussian noise: in grey levels on images, in the data's units on vectors."""
    some = real.some(draw)
    moved = some.samples + std * torch.randn(some.samples.shape, generator=draw)
    if some.samples.dtype == torch.uint8:
        moved = moved.round().clamp(0, 255).to(torch.uint8)
    return some._replace(samples=moved)


def dropped(real: Real, share: float, draw: Draw) -> Labelled:
    """Without the first classes."""
    weights = (torch.arange(real.kinds) >= round(share * real.kinds)).float()
    return real.some(draw, weights)


def duplicated(real: Real, distinct: float, draw: Draw) -> Labelled:
    """Few distinct ones, repeated."""
    few = real.some(draw).at(slice(0, int(distinct)))
    return few.at(torch.arange(real.count) % int(distinct))


def memorized(real: Real, share: float, draw: Draw) -> Labelled:
    """A share of training samples, the others new."""
    copies = round(share * real.count)
    picked = real.train.at(torch.randperm(len(real.train.labels), generator=draw)[:copies])
    others = real.some(draw).at(slice(copies, None))
    return Labelled(*(torch.cat(both) for both in zip(picked, others, strict=True)))


def unbalanced(real: Real, ratio: float, draw: Draw) -> Labelled:
    """Each class `ratio` times as frequent as the one before it."""
    return real.some(draw, ratio ** torch.arange(real.kinds).float())


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
