"""A rescue: back to the last healthy state, with the change that a finding advises."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sparring import ranks
from sparring.errors import InputError
from sparring.observers.referee import CANDIDATE, HEALTHY
from sparring.recipe import Recipe, differences
from sparring.recipes import load_recipe
from sparring.referee import Finding
from sparring.run import RunFolder
from sparring.training import checkpoint
from sparring.training.state import State

Make = Callable[[Recipe], State]  # the state of a run that begins


def check_action(recipe: Recipe) -> None:
    """InputError where a rescue cannot be made: processes would have to go back together."""
    if recipe.referee.action == "rescue" and ranks.count() > 1:
        raise InputError(
            "referee.action=rescue works in one process only",
            "set referee.action=stop, or train without torchrun",
        )


def rescued(
    folder: RunFolder, state: State, finding: Finding, make: Make
) -> tuple[State, checkpoint.Checkpoint, dict[str, Any]]:
    """The healthy state to go on from, its checkpoint, and what was done in words and numbers.

    All draws are made anew, so that the same accident does not happen again.
    """
    found = checkpoint.read(folder.checkpoints / HEALTHY)
    with suppress(FileNotFoundError):
        (folder.checkpoints / CANDIDATE).unlink()
    known = {key: value for key, value in finding.keys.items() if value is not None}
    changed = load_recipe(state.recipe, known | {"redrawn": state.recipe.redrawn + 1})
    healthy = make(changed)
    checkpoint.restore(healthy, found)
    told = {
        "step": state.step,
        "to": healthy.step,
        "code": finding.code,
        "evidence": finding.evidence,
        "changes": {
            key: list(values) for key, values in differences(state.recipe, changed).items()
        },
    }
    return healthy, found, told
