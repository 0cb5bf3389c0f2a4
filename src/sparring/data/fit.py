"""Batch, length and evaluations of a run for data that a recipe was not written for."""

from __future__ import annotations

from collections.abc import Set

from sparring.data.dataset import Dataset
from sparring.recipe import Recipe

PASSES = 100  # over the training images
SMALLEST_BATCH = 16  # batch normalization becomes noisy below
FEWEST_SAMPLES, MOST_SAMPLES = 320_000, 2_560_000


def fit_to_data(recipe: Recipe, dataset: Dataset, given: Set[str]) -> list[str]:
    """Choose batch_size and steps from the number of images, except for `given` keys.

    Evaluations stay as many as the recipe has, so that they take the same share of any run.

    Returns what was chosen and why, a line each.
    """
    count = len(dataset.splits["train"])
    notes = []
    before = recipe.steps * recipe.batch_size
    if "batch_size" not in given and count < 10 * recipe.batch_size:
        batch = max(SMALLEST_BATCH, 1 << (max(count // 10, 1).bit_length() - 1))
        if batch < recipe.batch_size:
            recipe.batch_size = batch
            notes.append(f"batch_size={batch}: a larger batch would be much of {count:,} images")
    if "steps" not in given:
        samples = min(max(PASSES * count, FEWEST_SAMPLES), MOST_SAMPLES)
        recipe.steps = -(-samples // recipe.batch_size)
        notes.append(
            f"steps={recipe.steps}: {samples / count:.0f} passes over {count:,} training images"
        )
    every = recipe.evaluation.every
    fitted = every * recipe.steps * recipe.batch_size // before
    if fitted not in (0, every) and not given & {"evaluation", "evaluation.every"}:
        recipe.evaluation.every = fitted
        notes.append(f"evaluation.every={fitted}: as many evaluations as the recipe has")
    return notes
