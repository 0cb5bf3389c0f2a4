"""The augmentations by name, and those of a recipe."""

from __future__ import annotations

from collections.abc import Callable

from sparring.errors import InputError, said_by
from sparring.lookup import complete_options, find
from sparring.objectives.ada import Ada
from sparring.objectives.augment import Augment, InstanceNoise
from sparring.objectives.diffaugment import DiffAugment
from sparring.recipe import Recipe

# (shape of a sample, options) to a stage.
AUGMENTS: dict[str, Callable[..., Augment]] = {"diffaugment": DiffAugment, "ada": Ada}


def make_augment(recipe: Recipe, shape: tuple[int, ...]) -> list[Augment]:
    """The stages that a recipe names, in the order in which samples pass them."""
    stages: list[Augment] = []
    chosen = recipe.augment
    if chosen.name != "none":
        make = find(AUGMENTS, chosen.name, "augment.name")
        options = complete_options(chosen, make, "augment", "augmentation")
        try:
            stages.append(make(shape, **options))
        except InputError:
            raise
        except Exception as error:  # the user's own code
            raise InputError(
                f"augment.name: `{chosen.name}` cannot be made: {said_by(error)}",
                "its constructor takes (shape, **options)",
            ) from error
        _check_signs(recipe, stages[0])
    noise = recipe.instance_noise
    if noise.std > 0:
        stages.append(InstanceNoise(noise.std, noise.schedule, recipe.steps * recipe.batch_size))
    return stages


def _check_signs(recipe: Recipe, stage: Augment) -> None:
    """ADA reads the sign of logits, which only means something where they are counted from 0."""
    relative = recipe.loss.pairing != "standard" or recipe.loss.name == "wasserstein"
    if isinstance(stage, Ada) and stage.target is not None and relative:
        raise InputError(
            "augment.name=ada adapts to the sign of logits, which has no meaning with this loss",
            "set augment.target=null augment.p=0.3, which fixes p, or augment.name=diffaugment",
        )
