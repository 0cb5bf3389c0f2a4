"""Train, sample, evaluate, load: what the command line does, from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sparring import scoring
from sparring.comparison import write_comparison
from sparring.data import Dataset, open_data, write_packed
from sparring.errors import InputError
from sparring.games import (
    GAMES,
    apply,
    check_truncation,
    generate,
    rendered,
    style_generator,
    style_grid,
    style_walk,
    walk,
)
from sparring.hub import PREFIX, fetch, upload
from sparring.lookup import find
from sparring.metrics import Scorer, check_metrics
from sparring.model import Model, is_model, read_model
from sparring.networks.styles import has_styles
from sparring.objectives import Loss, Term
from sparring.onnx_export import export_onnx
from sparring.projection import STEPS, Projection, check_image, project_images, read_image
from sparring.recipe import Data, Recipe
from sparring.recipes import load_recipe
from sparring.referee import preflight
from sparring.run import RunFolder, next_free, open_run
from sparring.scoring import score
from sparring.session import Session, read_summary
from sparring.starting import Overrides, check_same, choose, fit, start_from, tell, to_resume
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
    """
    found = None
    if resume and init:
        raise InputError("--init starts a run, --resume goes on with one", "give only one of them")
    if time_limit is not None and not time_limit >= 0:
        raise InputError(f"--time {time_limit} is no number of seconds", "give 0 or more")
    if resume:
        folder, found = to_resume(out)
    else:
        name = recipe.name if isinstance(recipe, Recipe) else Path(recipe or "digits").stem
        folder = RunFolder(out or next_free(name))
        if folder.exists:
            folder.create()  # says what to do
    own = {"generator.name": generator, "discriminator.name": discriminator}
    chosen = choose(recipe, overrides, data, folder if resume else None, own)
    chosen.custom = [*(["loss"] if loss else []), *(term.name for term in (*penalties, *terms))]
    dataset = data if isinstance(data, Dataset) else open_data(chosen.data)
    for note in [*dataset.notes, *fit(chosen, dataset, recipe, overrides, resume)]:
        tell(f"data: {note}")
    if dataset.is_images:
        resolved: dict[str, Any] = {"size": dataset.shape[1]}
        if dataset.source is None:  # else what it was made of may have other channels
            resolved["channels"] = dataset.shape[0]
        chosen.data = chosen.data.model_copy(update=resolved)
    device = choose_device(chosen.device)
    make_game = find(GAMES, chosen.game, "game")
    game = make_game(chosen, dataset, device, generator, discriminator, loss, penalties, terms)
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
        folder.create()
    known = preflight(chosen, dataset, game)
    for told in (*state.warnings, *(f"{finding.evidence}; {finding.advice}" for finding in known)):
        tell(f"warning: {told}")
    tell(f"training into {folder.path}: pictures appear in {folder.samples}")
    session = Session(folder, state, dataset, known)
    if found:
        session.resume(found, tell)
    for note in session.train(time_limit)["notes"]:
        tell(note)
    return Run(folder, generator, data if isinstance(data, Dataset) else None)


def load(path: str | Path, generator: Callable[..., nn.Module] | None = None) -> nn.Module:
    """The generator of a run or a model folder: eval mode, averaged weights of the best step.

    `hf:USER/NAME` is a model folder on the Hugging Face hub (extra `hub`).
    """
    return read(path, generator).generator


def sample(
    path: str | Path,
    count: int = 64,
    seed: int = 0,
    label: str | int | None = None,
    *,
    interpolate: bool = False,
    truncation: float | None = None,
    generator: Callable[..., nn.Module] | None = None,
) -> Tensor:
    """Samples of a run: uint8 [N, C, H, W] for images, float32 [N, D] for vectors.

    Sample i is that of seed + i, whatever the count. With `interpolate` each row of 8 walks from
    one seed to the next, through w where the generator has styles. `label` is the name or number of
    a class, for a conditional generator; without it the classes come as often as in the training
    data. `truncation` scales latents, or styles around their mean: 0 to 1, which changes nothing.
    """
    model, seeds, wanted = _asked(path, count, seed, label, truncation, generator)
    if not interpolate:
        inputs = model.prior.of(seeds, wanted)
        return generate(model.generator, inputs, model.is_images, truncation)
    rows, styled = -(-count // 8), has_styles(model.generator)
    if styled:
        way = style_walk(model.generator, model.prior, seed, rows, 8, wanted, truncation)
        return rendered(model.generator, way[:count])
    inputs = walk(model.prior, seed, rows, label=wanted).first(count)
    return generate(model.generator, inputs, model.is_images, truncation)


def style_mix(
    path: str | Path,
    rows: int = 8,
    columns: int = 8,
    seed: int = 0,
    label: str | int | None = None,
    *,
    truncation: float | None = None,
    generator: Callable[..., nn.Module] | None = None,
) -> Tensor:
    """Images uint8 [(rows + 1) * (columns + 1), C, H, W]: row by row, coarse styles of rows' seeds
    with fine styles of columns'.

    Each row begins with its own image, each column too; the corner is black. The seeds are those
    of rows, then of columns. Needs a style generator.
    """
    model, seeds, wanted = _asked(path, rows + columns, seed, label, truncation, generator)
    style_generator(model.generator, "--style-mix")
    sources = model.prior.of(seeds[:rows], wanted), model.prior.of(seeds[rows:], wanted)
    return style_grid(model.generator, *sources, truncation)


def project(
    path: str | Path,
    image: str | Path | Tensor,
    *,
    steps: int = STEPS,
    seed: int = 0,
    generator: Callable[..., nn.Module] | None = None,
) -> Projection:
    """The styles with which a run's generator reproduces an image: a file, or uint8 [C, H, W].

    A file is brought to the generator's size as data are. `distance` is the root mean square
    difference of pixels, of which black to white is 1. Needs a style generator.
    """
    model = read(path, generator)
    style_generator(model.generator, "a projection")
    if steps < 1:
        raise InputError(f"steps={steps}", "take at least 1 step")
    if isinstance(image, Tensor):
        target = check_image(image, model.shape)
    else:
        folder = RunFolder(path)
        background = load_recipe(folder.recipe).data.background if folder.exists else "white"
        target = check_image(read_image(Path(image), model.shape, background), model.shape)
    found = project_images(model, target, steps, seed)
    return Projection(found.styles[0], found.images[0], target[0], found.distances.item())


def translate(
    path: str | Path, image: Tensor, *, generator: Callable[..., nn.Module] | None = None
) -> Tensor:
    """What the generator of an image-to-image run makes of one image of any size.

    `image` and the answer are uint8 [C, H, W]; a large one is made by overlapping tiles.
    """
    return translated(read(path, generator), image)


def translated(
    model: Model, image: Tensor, advance: Callable[[float], None] = lambda share: None
) -> Tensor:
    """The same with a model that was read already; `advance` is told the share that is done."""
    if model.input_shape is None:
        raise InputError(
            f"generator `{model.name}` makes images of latents, not of images",
            "leave --input out",
        )
    channels = model.input_shape[0]
    if image.dtype != torch.uint8 or image.dim() != 3 or image.shape[0] != channels:
        raise InputError(
            f"an image of shape {tuple(image.shape)} and type {image.dtype} cannot be translated",
            f"give uint8 [{channels}, H, W]",
        )
    return apply(model.generator, image, advance=advance)


def stream(
    path: str | Path,
    count: int,
    seed: int = 0,
    label: str | int | None = None,
    part: int = 1024,
    truncation: float | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """The samples of `sample` and their labels, -1 where there are no classes, part by part."""
    model, seeds, wanted = _asked(path, count, seed, label, truncation)
    for start in range(0, count, part):
        inputs = model.prior.of(seeds[start : start + part], wanted)
        labels = torch.full((len(inputs.z),), -1) if inputs.labels is None else inputs.labels
        yield generate(model.generator, inputs, model.is_images, truncation), labels


def evaluate(
    what: str | Path,
    data: str | Dataset | None = None,
    metrics: Sequence[str] = ("fid", "kid"),
    samples: int = 2000,
    features: str | None = None,
    seed: int = 0,
    *,
    generator: Callable[..., nn.Module] | None = None,
    weights: str | Path | None = None,
) -> dict[str, dict[str, Any]]:
    """Score a run against its test split, or samples of any program against all of `data`.

    Those are an npz with `samples`, a folder of images, or what an ONNX generator makes; one that
    was trained on a data set known by name is scored against its test split without `data`.
    `weights` is the file of the published network that `features` names; without one it is
    downloaded.
    """
    records, _ = score(
        Path(what), data, metrics, samples, features, seed, generator, weights=weights
    )
    return {name: record.json() for name, record in records.items()}


def compare(
    *whats: str | Path,
    data: str | None = None,
    metrics: Sequence[str] = ("fid", "kid"),
    samples: int = 2000,
    features: str | None = None,
    seed: int = 0,
    html: str | Path | None = None,
    weights: str | Path | None = None,
) -> dict[str, Any]:
    """Runs, archives and folders side by side, and whether each difference exceeds chance.

    A folder of runs (`sparring train --seeds`) is one entry. With `html` a page is written too.
    `features` and `weights` are as in `evaluate`.
    """
    paths = [Path(what) for what in whats]
    curves = html is not None
    entries = scoring.compare(paths, data, metrics, samples, features, seed, weights, curves)
    answer = {
        "entries": [entry.json() for entry in entries],
        "differences": scoring.differences(entries),
    }
    if html is not None:
        write_comparison(Path(html), entries, answer)
    return answer


def export(
    path: str | Path,
    file: str | Path,
    *,
    uint8: bool = False,
    truncation: bool = False,
    quantize: str | None = None,
    generator: Callable[..., nn.Module] | None = None,
    data: Dataset | None = None,
) -> dict[str, Any]:
    """Write the generator of a run or model folder as ONNX, checked against PyTorch.

    The input is `z` [N, latent size], the output `samples` [N, ...] in [-1, 1], uint8 with `uint8`;
    `truncation` adds an input [N] that scales z, or styles around their mean. `quantize`, `int8` or
    `fp16`, needs a run, on whose test split its cost is measured. Returns path, max_abs_error,
    batches_checked.
    """
    model = read(path, generator)
    if quantize is None:
        return export_onnx(model, Path(file), uint8, truncation)
    if not RunFolder(path).exists:
        raise InputError(
            f"`{path}` holds no run, whose test split would show what --quantize costs",
            "name the run, or leave --quantize out",
        )
    recipe = load_recipe(open_run(path).recipe)
    config = recipe.evaluation

    def scorer() -> Scorer:
        return Scorer(data or open_data(recipe.data), "test", config.features)

    how = (uint8, truncation, quantize, scorer, config.final_samples)
    return export_onnx(model, Path(file), *how)


def push(path: str | Path, name: str, private: bool = False) -> str:
    """Put the model of a run or a model folder on the Hugging Face hub as USER/NAME.

    Needs the extra `hub` and a token that may write (HF_TOKEN); returns the address.
    """
    folder = RunFolder(path)
    return upload(folder.model if folder.exists else folder.path, name, private)


def pack(
    data: str,
    file: str | Path,
    size: int | None = None,
    channels: int | None = None,
    background: str = "white",
) -> dict[str, Any]:
    """Put a data set into one memory-mapped file; returns its path, samples and shape."""
    path = Path(file)
    if path.suffix != ".safetensors":
        raise InputError(f"`{path}` does not end in .safetensors", "a packed file does")
    if path.exists():
        raise InputError(f"`{path}` exists already", "choose another name")
    named = {"name": data, "size": size, "channels": channels, "background": background}
    dataset = open_data(Data.model_validate(named))
    for note in dataset.notes:
        tell(f"data: {note}")
    write_packed(dataset, path)
    return {"path": str(path), "samples": len(dataset.values), "shape": list(dataset.shape)}


def read(path: str | Path, make: Callable[..., nn.Module] | None = None) -> Model:
    """The generator of a run or a model folder, with what is needed to sample it."""
    if str(path).startswith(PREFIX):
        return read_model(fetch(str(path).removeprefix(PREFIX), runs_code=make is not None), make)
    folder = RunFolder(path)
    if not folder.exists and not is_model(folder.path):
        raise InputError(
            f"`{path}` holds neither a run nor a model",
            "name a run; they are in `runs/` by default",
        )
    return read_model(folder.model if folder.exists else folder.path, make)


def _asked(
    path: str | Path,
    count: int,
    seed: int,
    label: str | int | None,
    truncation: float | None,
    make: Callable[..., nn.Module] | None = None,
) -> tuple[Model, range, int | None]:
    """The model of a run, the seeds and the number of the class that samples are asked for."""
    model = read(path, make)
    seeds = _seeds(seed, count)
    wanted = None if label is None else model.label(str(label))
    if truncation is not None:
        check_truncation(model.generator, model.latent, truncation)
    return model, seeds, wanted


def _seeds(seed: int, count: int) -> range:
    if count < 1:
        raise InputError(f"count={count}", "ask for at least 1 sample")
    if not 0 <= seed < 2**53:
        raise InputError(f"seed={seed} is out of range", "choose from 0 to 2^53 - 1")
    return range(seed, seed + count)
