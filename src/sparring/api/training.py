"""Training, and the run that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sparring import ranks
from sparring.api.measuring import evaluate
from sparring.api.sampling import sample, translate
from sparring.api.shipping import export
from sparring.data import Dataset, open_data
from sparring.errors import InputError
from sparring.games import (
    GAMES,
)
from sparring.lookup import find
from sparring.metrics import check_metrics
from sparring.objectives import Loss, Term
from sparring.recipe import Recipe
from sparring.referee import preflight
from sparring.run import RunFolder, next_free
from sparring.session import Session, read_summary
from sparring.starting import (
    Overrides,
    check_same,
    choose,
    fit,
    start_from,
    started_again,
    tell,
    to_resume,
)
from sparring.training.precision import choose_device
from sparring.training.state import State


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

    def sample(
        self,
        count: int,
        seed: int = 0,
        label: str | int | None = None,
        truncation: float | None = None,
    ) -> Tensor:
        """`count` samples: uint8 [N, C, H, W] for images; sample i is that of seed + i."""
        return sample(self.path, count, seed, label, truncation=truncation, generator=self._make)

    def translate(self, image: Tensor) -> Tensor:
        """What an image-to-image run makes of one image, uint8 [C, H, W] of any size."""
        return translate(self.path, image, generator=self._make)

    def evaluate(
        self, metrics: Sequence[str] = ("fid", "kid"), samples: int = 2000
    ) -> dict[str, dict[str, Any]]:
        """Scores against the run's test split."""
        return evaluate(self.path, self._data, metrics, samples, generator=self._make)

    def export(
        self,
        file: str | Path,
        *,
        uint8: bool = False,
        truncation: bool = False,
        quantize: str | None = None,
    ) -> dict[str, Any]:
        """Write the generator as ONNX, as `sparring.export` does."""
        return export(
            self.path,
            file,
            uint8=uint8,
            truncation=truncation,
            quantize=quantize,
            generator=self._make,
            data=self._data,
        )


@ranks.joined()
def train(
    recipe: str | Path | Recipe | None = None,
    data: str | Dataset | None = None,
    out: str | Path | None = None,
    overrides: Overrides = (),
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
    Where torchrun has started several processes, they train together.
    """
    found = None
    if resume and init:
        raise InputError("--init starts a run, --resume goes on with one", "give only one of them")
    if time_limit is not None and not time_limit >= 0:
        raise InputError(f"--time {time_limit} is no number of seconds", "give 0 or more")
    resume = resume or started_again(out)
    if resume:
        folder, found = to_resume(out)
    else:
        name = recipe.name if isinstance(recipe, Recipe) else Path(recipe or "digits").stem
        folder = RunFolder(out or ranks.text(str(next_free(name))))
        if folder.exists:
            folder.create()  # says what to do
    own = {"generator.name": generator, "discriminator.name": discriminator}
    chosen = choose(recipe, overrides, data, folder if resume else None, own)
    chosen.custom = [*(["loss"] if loss else []), *(term.name for term in (*penalties, *terms))]
    # The first process packs and downloads; the others then find it.
    dataset = data if isinstance(data, Dataset) else ranks.first(lambda: open_data(chosen.data))
    for note in [*dataset.notes, *fit(chosen, dataset, recipe, overrides, resume)]:
        tell(f"data: {note}")
    if dataset.is_images:
        resolved: dict[str, Any] = {"size": dataset.shape[1]}
        if dataset.source is None:  # else what it was made of may have other channels
            resolved["channels"] = dataset.shape[0]
        chosen.data = chosen.data.model_copy(update=resolved)
    device = choose_device(chosen.device)
    make_game = find(GAMES, chosen.game, "game")
    parts: tuple[Any, ...] = (generator, discriminator, loss, penalties, terms)

    def make(recipe: Recipe) -> State:
        return State(make_game(recipe, dataset, device, *parts), recipe, device)

    game = make_game(chosen, dataset, device, *parts)
    asked = chosen.evaluation
    labelled = bool(game.conditional)
    for names in (asked.metrics, asked.final_metrics or []):
        check_metrics(names, asked.features, dataset, asked.weights, labelled)
    state = State(game, chosen, device)
    if found:
        check_same(found, chosen, dataset, allow_changes)
    else:
        if init:
            start_from(state, init)
        ranks.lead(folder.create)
    known = preflight(chosen, dataset, game)
    for told in (*state.warnings, *(f"{finding.evidence}; {finding.advice}" for finding in known)):
        tell(f"warning: {told}")
    tell(f"training into {folder.path}: pictures appear in {folder.samples}")
    session = Session(folder, state, dataset, make, known)
    if found:
        session.resume(found, tell)
    for note in session.train(time_limit)["notes"]:
        tell(note)
    return Run(folder, generator, data if isinstance(data, Dataset) else None)
