"""Distributions whose truth is known: one Gaussian, mixtures in the plane, line patterns."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from sparring.data.dataset import Dataset, Modes
from sparring.randomness import keyed

TRAIN, HELD_OUT = 100_000, 10_000


def gaussian(mean: float | None = None, std: float | None = None) -> Dataset:
    """Numbers from N(mean, std²), N(3, 2²) unless told otherwise."""
    mean, std = 3.0 if mean is None else mean, 2.0 if std is None else std
    count = TRAIN + 2 * HELD_OUT
    values = torch.randn(count, 1, generator=keyed("gaussian")) * std + mean
    return Dataset(
        "gaussian", values, _blocks(TRAIN, HELD_OUT), description=f"numbers from N({mean}, {std}²)"
    )


def ring(std: float | None = None) -> Dataset:
    """Eight Gaussians on a circle of radius 2, standard deviation 0.02 (Metz et al., 2017)."""
    angles = torch.arange(8) * (2 * math.pi / 8)
    centers = 2 * torch.stack([angles.cos(), angles.sin()], dim=1)
    return _mixture("ring", centers, 0.02 if std is None else std)


def grid(std: float | None = None) -> Dataset:
    """25 Gaussians on a 5x5 grid of spacing 2, standard deviation 0.05 (Lin et al., 2018)."""
    line = torch.arange(-4.0, 5.0, 2.0)
    return _mixture("grid", torch.cartesian_prod(line, line), 0.05 if std is None else std)


def patterns() -> Dataset:
    """The 16 images of 8x8 pixels that hold one bright line: a row or a column."""
    images = torch.zeros(16, 1, 8, 8, dtype=torch.uint8)
    for line in range(8):
        images[line, 0, line, :] = 255
        images[8 + line, 0, :, line] = 255
    names = tuple([f"row {line}" for line in range(8)] + [f"column {line}" for line in range(8)])
    labels = torch.arange(16).repeat(250 + 2 * 60)
    return Dataset(
        "patterns",
        images[labels],
        _blocks(16 * 250, 16 * 60),
        labels=labels,
        classes=names,
        modes=Modes(images, radius=25.5),
        description="8x8 images with one bright row or column",
    )


TOYS: dict[str, Callable[..., Dataset]] = {
    "gaussian": gaussian,
    "ring": ring,
    "grid": grid,
    "patterns": patterns,
}


def _mixture(name: str, centers: Tensor, std: float) -> Dataset:
    count = TRAIN + 2 * HELD_OUT
    draw = keyed(name)
    labels = torch.randint(len(centers), (count,), generator=draw)
    values = centers[labels] + std * torch.randn(count, 2, generator=draw)
    return Dataset(
        name,
        values,
        _blocks(TRAIN, HELD_OUT),
        labels=labels,
        classes=tuple(str(index) for index in range(len(centers))),
        modes=Modes(centers, radius=3 * std),
        description=f"{len(centers)} Gaussians in the plane, standard deviation {std}",
    )


def _blocks(train: int, held_out: int) -> dict[str, Tensor]:
    return {
        "train": torch.arange(train),
        "select": torch.arange(train, train + held_out),
        "test": torch.arange(train + held_out, train + 2 * held_out),
    }
