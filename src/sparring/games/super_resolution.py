"""Small images made large: SRGAN (Ledig et al., 2017)."""

from __future__ import annotations

from typing import Any

import torch

from sparring.data import Dataset
from sparring.games.translation import Own, PairedGame, build_parts, check_inputs
from sparring.recipe import Recipe


def srgan_game(
    recipe: Recipe,
    dataset: Dataset,
    device: torch.device,
    *own: Any,
) -> PairedGame:
    """Pairs of a small and a large image, and a discriminator that sees the large one alone.

    The phases are those of every game over pairs: pixels alone (`pretraining`), then the content
    and the adversarial term.
    """
    check_inputs(recipe, dataset, paired=True)
    parts = build_parts(recipe, dataset, device, dataset.shape, Own(*own))
    return PairedGame(recipe, dataset, parts, device, shows_inputs=False)
