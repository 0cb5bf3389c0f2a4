"""Walks through latent space."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from sparring.games.latent import latents_of
from sparring.recipe import Latent


def walk(latent: Latent, seed: int, rows: int, columns: int = 8) -> Tensor:
    """Latents [rows * columns, size] of rows that walk from each seed to the next.

    The way is the arc between them, on which all latents are as long as drawn ones (Shoemake,
    1985); under a uniform prior it is straight.
    """
    ends = latents_of(latent, range(seed, seed + rows + 1))
    start, end = ends[:-1, None], ends[1:, None]
    share = torch.linspace(0, 1, columns)[None, :, None]
    if latent.prior == "uniform":
        return torch.lerp(start, end, share).flatten(0, 1)
    cosine = cosine_similarity(start, end, dim=-1)[..., None].clamp(-0.999, 0.999)
    angle = cosine.acos()
    between = (((1 - share) * angle).sin() * start + (share * angle).sin() * end) / angle.sin()
    return between.flatten(0, 1)
