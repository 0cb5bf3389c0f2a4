"""Samples that another program wrote, looked at without its networks."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.referee import measures
from sparring.referee.look import Look
from sparring.referee.space import Space

MOST = 512  # samples looked at
# How much the pixels of different samples differ, as a share of all contrast there is, in real
# pictures of any kind: digits 0.6, photographs 0.8.
USUAL = 0.6


def look_at(samples: Tensor, space: Space | None, step: int = 0) -> Look:
    """What is known of samples [N, ...] as in a data set, beside real ones if there are any."""
    chosen = samples[torch.linspace(0, len(samples) - 1, min(MOST, len(samples))).long()]
    if space is None:
        return Look(step, 0, distance=0.0, diversity=min(1.0, _variety(chosen) / USUAL))
    features = space.features(chosen)
    figures = space.figures(chosen, features)
    shares, entropy = space.histogram(chosen, features)
    accuracy, error = measures.nearest_neighbours(space.real, features)
    return Look(
        step,
        0,
        **figures,
        distance_average=figures["distance"],
        diversity_average=figures["diversity"],
        shares=shares,
        shares_real=space.shares.tolist(),
        entropy=entropy,
        copies=space.copies(chosen) if space.dataset.is_images else None,
        two_sample=accuracy,
        two_sample_error=error,
    )


def _variety(samples: Tensor) -> float:
    """The deviation of each value over samples, beside that of all values."""
    flat = samples.flatten(1).float()
    return float(flat.std(0).square().mean().sqrt() / flat.std().clamp(min=1e-9))


def tiles(images: Tensor, side: int) -> Tensor:
    """Images [N, C, H, W] that are grids of pictures of `side` pixels, cut into these.

    Frames of 0 to 4 pixels around each; others are left as they are.
    """
    height, width = images.shape[2:]
    if (height, width) == (side, side):
        return images
    for frame in range(5):
        cell = side + frame
        if (height - frame) % cell == 0 and (width - frame) % cell == 0:
            rows, columns = (height - frame) // cell, (width - frame) // cell
            if rows * columns < 2:
                continue
            parts = images[:, :, frame:, frame:].unfold(2, cell, cell).unfold(3, cell, cell)
            cut = parts.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)[:, :, :side, :side]
            return cut.contiguous()
    return images
