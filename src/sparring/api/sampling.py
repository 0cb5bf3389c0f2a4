"""Samples, walks, mixtures and projections of a generator; images that it makes of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor, nn

from sparring.api.reading import asked, read
from sparring.errors import InputError
from sparring.games import (
    apply,
    generate,
    rendered,
    style_generator,
    style_grid,
    style_walk,
    walk,
)
from sparring.model import Model
from sparring.networks.styles import has_styles
from sparring.projection import STEPS, Projection, check_image, project_images, read_image
from sparring.recipes import load_recipe
from sparring.run import RunFolder


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
    model, seeds, wanted = asked(path, count, seed, label, truncation, generator)
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
    model, seeds, wanted = asked(path, rows + columns, seed, label, truncation, generator)
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
    model, seeds, wanted = asked(path, count, seed, label, truncation)
    with ThreadPoolExecutor(1, "inputs") as ahead:  # drawn while the part before is made
        coming = ahead.submit(model.prior.of, seeds[:part], wanted)
        for start in range(part, count + part, part):
            inputs = coming.result()
            coming = ahead.submit(model.prior.of, seeds[start : start + part], wanted)
            labels = torch.full((len(inputs.z),), -1) if inputs.labels is None else inputs.labels
            yield generate(model.generator, inputs, model.is_images, truncation), labels
