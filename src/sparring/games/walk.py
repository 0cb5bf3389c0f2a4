"""Walks through latent space."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from sparring.games.sampling import Inputs, Prior, latents_of
from sparring.recipe import Latent


def walk(prior: Prior, seed: int, rows: int, columns: int = 8, label: int | None = None) -> Inputs:
    """Inputs [rows * columns] of rows that walk from each seed to the next.

    The way is the arc between them, on which all latents are as long as drawn ones (Shoemake,
    1985); under a uniform prior it is straight. With classes each row is of the next one, or all
    of `label`.
    """
    labels = None
    if prior.classes:
        of_rows = torch.arange(rows) % prior.classes if label is None else torch.tensor([label])
        labels = of_rows.expand(rows).repeat_interleave(columns)
    return Inputs(_arcs(prior.latent, seed, rows, columns), labels)


def _arcs(latent: Latent, seed: int, rows: int, columns: int) -> Tensor:
    """Latents [rows * columns, size]."""
    ends = latents_of(latent, range(seed, seed + rows + 1))
    share = torch.linspace(0, 1, columns)[None, :, None]
    return arc(latent, ends[:-1, None], ends[1:, None], share).flatten(0, 1)


def arc(latent: Latent, start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Latents that far from start to end [..., size], as `walk` goes; all three are broadcast."""
    if latent.prior == "uniform":
        return torch.lerp(start, end, share)
    cosine = cosine_similarity(start, end, dim=-1)[..., None].clamp(-0.999, 0.999)
    angle = cosine.acos()
    return (((1 - share) * angle).sin() * start + (share * angle).sin() * end) / angle.sin()
