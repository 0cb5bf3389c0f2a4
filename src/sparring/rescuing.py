"""A rescue: back to the last healthy state, with the change that a finding advises."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sparring import ranks
from sparring.errors import InputError
from sparring.observers.referee import CANDIDATE, HEALTHY, Referee
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
    folder: RunFolder, state: State, finding: Finding, make: Make, referee: Referee
) -> tuple[State, float, dict[str, Any]]:
    """The healthy state to go on from, the seconds it took, and what was done in words and numbers.

    All draws are made anew, so that the same accident does not happen again. What preflight warned
    about was at work from the first step: then that alone changes and the run begins again. So it
    does where the state kept was gone back to in vain or is younger than what is wrong.
    """
    found = checkpoint.read(folder.checkpoints / HEALTHY)
    with suppress(FileNotFoundError):
        (folder.checkpoints / CANDIDATE).unlink()
    warned = referee.story.facts.advised
    changes = (warned or finding.changes) | {"redrawn": state.recipe.redrawn + 1}
    changed = load_recipe(state.recipe, changes)
    healthy, seconds = make(changed), 0.0
    kept = found.meta["step"]
    in_vain = any(one["to"] == kept for one in referee.rescues)
    if warned or in_vain or kept > finding.step:
        path, data = folder.checkpoints / HEALTHY, referee.dataset.fingerprint
        checkpoint.save(healthy, path, seconds=seconds, data=data)
    else:
        checkpoint.restore(healthy, found)
        seconds = found.meta["seconds"]
    told = {
        "step": state.step,
        "to": healthy.step,
        "code": finding.code,
        "evidence": finding.evidence,
        "changes": {
            key: list(values) for key, values in differences(state.recipe, changed).items()
        },
    }
    return healthy, seconds, told
