"""What a run starts from: its recipe, fitted to the data, and the weights of another run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from sparring import launch, ranks
from sparring.data import Dataset, fit_to_data
from sparring.errors import InputError
from sparring.recipe import Recipe, differences
from sparring.recipes import load_recipe, recipe_names
from sparring.run import RunFolder, open_run
from sparring.training import checkpoint
from sparring.training.state import State
from sparring.version import __version__

MAY_CHANGE = (
    "evaluation.",
    "referee.",
    "title",
    "source",
    "name",
    "snapshots",
    "checkpoint_seconds",
    "device",
)
Overrides = Mapping[str, Any] | Sequence[str]


def tell(message: str) -> None:
    """A message to the person: on stderr, so that stdout stays what was asked for, and once."""
    if launch.leads():
        print(message, file=sys.stderr)


def choose(
    recipe: str | Path | Recipe | None,
    overrides: Overrides,
    data: str | Dataset | None,
    resumed: RunFolder | None,
    own: Mapping[str, Callable[..., nn.Module] | None],
) -> Recipe:
    """The recipe with its overrides; a resumed run's own unless another is named.

    Constructors of one's own are named in it, so that it says what was trained.
    """
    named = {
        key: f"{make.__module__}:{getattr(make, '__qualname__', type(make).__name__)}"
        for key, make in own.items()
        if make
    }
    if isinstance(overrides, Mapping):
        overrides = named | dict(overrides)
    else:
        overrides = [*(f"{key}={name}" for key, name in named.items()), *overrides]
    chosen = load_recipe(recipe or (resumed.recipe if resumed else "digits"), overrides)
    if isinstance(data, Dataset):
        chosen.data.name = data.name
    elif data is not None:
        chosen.data.name = data
    return chosen


def fit(
    chosen: Recipe,
    dataset: Dataset,
    recipe: str | Path | Recipe | None,
    overrides: Overrides,
    resume: bool,
) -> list[str]:
    """Batch and length for other images than a recipe of ours was written for, with the reasons.

    A recipe of the user's own means what it says, and a resumed run goes on as it was.
    """
    ours = (resume is False and recipe is None) or recipe in recipe_names()
    if not ours or not dataset.is_images:
        return []
    if chosen.data.name == load_recipe(str(recipe or "digits")).data.name:
        return []
    given = {
        text if isinstance(overrides, Mapping) else text.partition("=")[0] for text in overrides
    }
    return fit_to_data(chosen, dataset, given)


def started_again(out: str | Path | None) -> bool:
    """Whether torchrun has started a run again that can go on where its last checkpoint is.

    What a run leaves that ended before its first checkpoint is made way for.
    """
    restarts = launch.restarts()
    if launch.may_restart() and out is None:
        raise InputError("a run that may be restarted must find its folder", "name it with --out")
    if restarts == 0 or out is None:
        return False
    folder = RunFolder(out)
    if checkpoint.has_any(folder.checkpoints):
        return True
    ranks.lead(folder.clear)
    return False


def to_resume(out: str | Path | None) -> tuple[RunFolder, checkpoint.Checkpoint]:
    """The run to go on with and its newest whole checkpoint."""
    if out is None:
        raise InputError("--resume needs to know which run", "name its folder with --out")
    folder = open_run(out)
    found = checkpoint.load_latest(folder.checkpoints, tell)
    if found is None:
        raise InputError(
            f"`{folder.path}` has no checkpoint yet", "delete the folder and train again"
        )
    return folder, found


def check_same(
    found: checkpoint.Checkpoint, new: Recipe, dataset: Dataset, allow_changes: bool
) -> None:
    """Refuse to resume under a changed recipe or on other data, unless the user says so."""
    try:
        old = Recipe.model_validate(found.meta["recipe"])
    except ValueError:
        raise InputError(
            f"`{found.path}` was written by version {found.meta.get('version')} of this program, "
            f"whose recipes were different (this is {__version__})",
            "go on with that version, or start from its weights with --init",
        ) from None
    changed = {
        key: values
        for key, values in differences(old, new).items()
        if not key.startswith(MAY_CHANGE)
        and not (key == "steps" and new.steps >= found.meta["step"])
    }
    told = [f"{key}: {before} → {after}" for key, (before, after) in changed.items()]
    if found.meta["data"] != dataset.fingerprint:
        told.append(f"data `{dataset.name}` has other contents than before")
    if told and not allow_changes:
        raise InputError(
            "the run was trained differently: " + "; ".join(told),
            "go on all the same with --allow-changes",
        )
    players = (new.optimizer.generator, new.optimizer.discriminator)
    schedules = [one for player in players for one in (player.schedule, player.beta2_schedule)]
    if old.steps != new.steps and any(schedule.name != "constant" for schedule in schedules):
        tell("note: the rate schedules now reach their end at the new number of steps")


def start_from(state: State, init: str | Path) -> None:
    """Take the weights of another run's best checkpoint, as far as they fit."""
    folder = open_run(init).checkpoints
    path = folder / checkpoint.BEST
    try:
        found = checkpoint.read(path)
    except checkpoint.BrokenCheckpoint as problem:
        raise InputError(f"cannot start from `{path}`: {problem}", "name a finished run") from None
    left = checkpoint.start_from(state, found)
    # A single number fits anywhere, and means nothing elsewhere.
    names = {
        f"{player}.{key}"
        for player, network in state.game.players.items()
        for key, tensor in network.state_dict().items()
        if tensor.numel() > 1
    }
    if names <= set(left):
        raise InputError(
            f"nothing of `{path}` fits the networks of this recipe",
            "name a run of the same networks and data size, or leave --init out",
        )
    if left:
        tell(f"{len(left)} tensors do not fit and start fresh, the first is {left[0]}")
