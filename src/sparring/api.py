"""Train, sample, evaluate, load: what the command line does, from Python."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sparring.data import Dataset, open_data, read_samples
from sparring.errors import InputError
from sparring.games import GAMES, generate, latents_of
from sparring.lookup import find
from sparring.metrics import METRICS, Scorer, check_metrics
from sparring.model import Model, is_model, read_model
from sparring.objectives import Loss, Term
from sparring.recipe import MOST_SAMPLES, Data, Recipe, differences
from sparring.recipes import load_recipe
from sparring.referee import preflight
from sparring.run import RunFolder, next_free, open_run
from sparring.session import Session, read_summary
from sparring.training import checkpoint
from sparring.training.precision import choose_device
from sparring.training.state import State
from sparring.version import __version__

MAY_CHANGE = ("evaluation.", "title", "source", "name", "snapshots", "checkpoint_seconds", "device")


def tell(message: str) -> None:
    """A message to the person: on stderr, so that stdout stays what was asked for."""
    print(message, file=sys.stderr)


class Run:
    """A run folder that has been trained."""

    def __init__(
        self,
        folder: RunFolder,
        make: Callable[..., nn.Module] | None = None,
        data: Dataset | None = None,
    ) -> None:
        self.folder = folder
        self.path = folder.path
        self._make = make
        self._data = data

    @property
    def summary(self) -> dict[str, Any]:
        """What `sparring train --json` prints; empty while the run is not finished."""
        return read_summary(self.folder)

    def sample(self, count: int, seed: int = 0) -> Tensor:
        """`count` samples: uint8 [N, C, H, W] for images; sample i is that of seed + i."""
        return sample(self.path, count, seed, generator=self._make)

    def evaluate(
        self, metrics: Sequence[str] = ("fid", "kid"), samples: int = 2000
    ) -> dict[str, dict[str, Any]]:
        """Scores against the run's test split."""
        return evaluate(self.path, self._data, metrics, samples, generator=self._make)


def train(
    recipe: str | Path | Recipe | None = None,
    data: str | Dataset | None = None,
    out: str | Path | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    *,
    resume: bool = False,
    init: str | Path | None = None,
    time_limit: float | None = None,
    allow_changes: bool = False,
    generator: Callable[..., nn.Module] | None = None,
    discriminator: Callable[..., nn.Module] | None = None,
    loss: Loss | None = None,
    penalties: Sequence[Term] = (),
    terms: Sequence[Term] = (),
) -> Run:
    """Train a recipe and return its run.

    `generator` and `discriminator` are constructors of one's own: (latent_size, shape, **options)
    and (shape, **options); `loss`, further `penalties` of the discriminator and `terms` of the
    generator come from code in the same way. `time_limit` is in seconds of wall clock.
    """
    found = None
    if resume and init:
        raise InputError("--init starts a run, --resume goes on with one", "give only one of them")
    if time_limit is not None and not time_limit >= 0:
        raise InputError(f"--time {time_limit} is no number of seconds", "give 0 or more")
    if resume:
        folder, found = _to_resume(out)
    else:
        name = recipe.name if isinstance(recipe, Recipe) else Path(recipe or "digits").stem
        folder = RunFolder(out or next_free(name))
        if folder.exists:
            folder.create()  # says what to do
    own = {"generator.name": generator, "discriminator.name": discriminator}
    chosen = _choose(recipe, overrides, data, folder if resume else None, own)
    chosen.custom = [*(["loss"] if loss else []), *(term.name for term in (*penalties, *terms))]
    dataset = data if isinstance(data, Dataset) else open_data(chosen.data)
    if dataset.is_images:
        chosen.data = chosen.data.model_copy(
            update={"size": dataset.shape[1], "channels": dataset.shape[0]}
        )
    check_metrics(chosen.evaluation.metrics, chosen.evaluation.features, dataset)
    device = choose_device(chosen.device)
    make_game = find(GAMES, chosen.game, "game")
    game = make_game(chosen, dataset, device, generator, discriminator, loss, penalties, terms)
    state = State(game, chosen, device)
    if found:
        _check_same(found, chosen, dataset, allow_changes)
    else:
        if init:
            _start_from(state, init)
        folder.create()
    known = preflight(chosen, dataset, game)
    for told in (*state.warnings, *(f"{finding.evidence}; {finding.advice}" for finding in known)):
        tell(f"warning: {told}")
    session = Session(folder, state, dataset, known)
    if found:
        session.resume(found, tell)
    session.train(time_limit)
    return Run(folder, generator, data if isinstance(data, Dataset) else None)


def load(path: str | Path, generator: Callable[..., nn.Module] | None = None) -> nn.Module:
    """The generator of a run or a model folder: eval mode, averaged weights of the best step."""
    return _model(path, generator).generator


def sample(
    path: str | Path,
    count: int = 64,
    seed: int = 0,
    *,
    interpolate: bool = False,
    generator: Callable[..., nn.Module] | None = None,
) -> Tensor:
    """Samples of a run: uint8 [N, C, H, W] for images, float32 [N, D] for vectors.

    Sample i is that of seed + i, whatever the count. With `interpolate` each row of 8 walks from
    one seed to the next.
    """
    model = _model(path, generator)
    z = _walk(model, count, seed) if interpolate else latents_of(model.latent, _seeds(seed, count))
    return generate(model.generator, z, model.is_images)


def stream(path: str | Path, count: int, seed: int = 0, part: int = 1024) -> Iterator[Tensor]:
    """The samples of `sample`, a part at a time."""
    model = _model(path)
    seeds = _seeds(seed, count)
    for start in range(0, count, part):
        z = latents_of(model.latent, seeds[start : start + part])
        yield generate(model.generator, z, model.is_images)


def evaluate(
    what: str | Path,
    data: str | Dataset | None = None,
    metrics: Sequence[str] = ("fid", "kid"),
    samples: int = 2000,
    features: str | None = None,
    seed: int = 0,
    *,
    generator: Callable[..., nn.Module] | None = None,
) -> dict[str, dict[str, Any]]:
    """Score a run against its test split, or an npz of samples against all of `data`."""
    path = Path(what)
    if not metrics:
        raise InputError("no metric was named", f"choose from: {', '.join(METRICS)}")
    if not 2 <= samples <= MOST_SAMPLES:
        raise InputError(f"samples={samples} is out of range", f"choose from 2 to {MOST_SAMPLES}")
    if path.suffix == ".npz":
        if data is None:
            raise InputError(f"`{path}` must be compared with something", "name it with --data")
        dataset = data if isinstance(data, Dataset) else open_data(Data(name=data))
        fake = read_samples(path)
        scorer = Scorer(dataset, "all", features or "auto")
    else:
        recipe = load_recipe(open_run(path).recipe)
        named = Data(name=data) if isinstance(data, str) else recipe.data
        dataset = data if isinstance(data, Dataset) else open_data(named)
        fake = sample(path, samples, seed, generator=generator)
        scorer = Scorer(dataset, "test", features or recipe.evaluation.features)
    records = scorer.score(fake, metrics, seed)
    return {name: record.json() for name, record in records.items()}


def _choose(
    recipe: str | Path | Recipe | None,
    overrides: Mapping[str, Any] | Sequence[str],
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


def _to_resume(out: str | Path | None) -> tuple[RunFolder, checkpoint.Checkpoint]:
    if out is None:
        raise InputError("--resume needs to know which run", "name its folder with --out")
    folder = open_run(out)
    found = checkpoint.load_latest(folder.checkpoints, tell)
    if found is None:
        raise InputError(
            f"`{folder.path}` has no checkpoint yet", "delete the folder and train again"
        )
    return folder, found


def _check_same(
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
    schedules = (new.optimizer.generator.schedule, new.optimizer.discriminator.schedule)
    if old.steps != new.steps and any(schedule.name != "constant" for schedule in schedules):
        tell("note: the rate schedules now reach their end at the new number of steps")


def _start_from(state: State, init: str | Path) -> None:
    folder = open_run(init).checkpoints
    path = folder / checkpoint.BEST
    try:
        found = checkpoint.read(path)
    except checkpoint.BrokenCheckpoint as problem:
        raise InputError(f"cannot start from `{path}`: {problem}", "name a finished run") from None
    left = checkpoint.start_from(state, found)
    if len(left) == sum(len(player.state_dict()) for player in state.game.players.values()):
        raise InputError(
            f"nothing of `{path}` fits the networks of this recipe",
            "name a run of the same networks and data size, or leave --init out",
        )
    if left:
        tell(f"{len(left)} tensors do not fit and start fresh, the first is {left[0]}")


def _model(path: str | Path, make: Callable[..., nn.Module] | None = None) -> Model:
    folder = RunFolder(path)
    if not folder.exists and not is_model(folder.path):
        raise InputError(
            f"`{path}` holds neither a run nor a model",
            "name a run; they are in `runs/` by default",
        )
    return read_model(folder.model if folder.exists else folder.path, make)


def _seeds(seed: int, count: int) -> range:
    if count < 1:
        raise InputError(f"count={count}", "ask for at least 1 sample")
    if not 0 <= seed < 2**53:
        raise InputError(f"seed={seed} is out of range", "choose from 0 to 2^53 - 1")
    return range(seed, seed + count)


def _walk(model: Model, count: int, seed: int) -> Tensor:
    """Latents of rows of 8 that walk from each seed to the next along the arc between them."""
    rows = -(-count // 8)
    ends = latents_of(model.latent, _seeds(seed, rows + 1))
    start, end = ends[:-1, None], ends[1:, None]
    share = torch.linspace(0, 1, 8)[None, :, None]
    if model.latent.prior == "uniform":
        return torch.lerp(start, end, share).flatten(0, 1)[:count]
    cosine = nn.functional.cosine_similarity(start, end, dim=-1)[..., None].clamp(-0.999, 0.999)
    angle = cosine.acos()
    walk = (((1 - share) * angle).sin() * start + (share * angle).sin() * end) / angle.sin()
    return walk.flatten(0, 1)[:count]
