"""The pictures of a finished run: what is drawn, and how each is to be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor, nn

from sparring.data import Dataset
from sparring.games import Pictures, generate, walk
from sparring.report.judge import Judge, judge_of
from sparring.report.pictures import image_grid, pairs_picture, rows_picture
from sparring.report.plane import warp_figure
from sparring.report.scene import Scene
from sparring.report.vectors import vector_figure, vector_limits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GRID, CLOUD, PAIRS = 100, 2000, 24  # samples: of images, of vectors, beside training images
ROWS = 30  # inputs and outputs
WALKS = 8  # rows and columns of the interpolation
COLUMNS, MOST_CLASSES = 10, 20  # of the picture of classes
MOST_COMPARED = 100_000  # training images that neighbours are looked for among
CHUNK = 2048


@dataclass(frozen=True)
class Shown:
    """A picture with its words; `name` is its file in pictures/, `wide` takes a row of a page."""

    name: str
    title: str
    caption: str
    alt: str
    drawing: Image.Image | Figure
    wide: bool = False


def gallery(scene: Scene) -> list[Shown]:
    """All pictures that a scene has the parts for."""
    return list(_images(scene) if scene.is_images else _vectors(scene))


def nearest(samples: Tensor, dataset: Dataset) -> tuple[Tensor, Tensor]:
    """The training images closest to samples [N, C, H, W] in pixels, and how far they are.

    Gives images like the samples and distances [N]: root mean square differences of grey levels
    as shares of the full range.
    """
    indices = dataset.splits["train"]
    if len(indices) > MOST_COMPARED:
        indices = indices[torch.linspace(0, len(indices) - 1, MOST_COMPARED).long()]
    flat = samples.flatten(1).float() / 255
    least = torch.full((len(samples),), torch.inf)
    chosen = torch.zeros(len(samples), dtype=torch.long)
    for part in indices.split(CHUNK):
        distances = torch.cdist(flat, dataset.rows(part).flatten(1).float() / 255)
        found = distances.min(dim=1)
        closer = found.values < least
        least = torch.where(closer, found.values, least)
        chosen = torch.where(closer, part[found.indices], chosen)
    return dataset.values[chosen], least / flat.shape[1] ** 0.5


def _translations(scene: Scene, dataset: Dataset) -> Iterator[Shown]:
    """Held-out inputs, what is made of them, and what should be or what becomes of that."""
    yield _rows(
        "translations",
        "Inputs and what is made of them",
        dataset,
        scene.generator,
        scene.back,
    )
    if scene.back is not None:
        yield _rows("back", "The other direction", dataset.turned, scene.back, scene.generator)


def _rows(
    name: str, title: str, dataset: Dataset, generator: nn.Module, back: nn.Module | None
) -> Shown:
    """Held-out inputs and outputs, with the way back, or with the image that belongs to each."""
    pictures = Pictures(dataset, "test")
    inputs, wanted = pictures.of(range(ROWS)), pictures.wanted(range(ROWS))
    columns = [inputs.z, generate(generator, inputs, images=True)]
    told = "on the left a held-out image, beside it what the averaged generator makes of it"
    if back is not None:
        columns.append(generate(back, columns[1], images=True))
        told += ", then that on its way back, which should be the first again"
    elif wanted is not None:
        columns.append(wanted)
        told += ", then the image that belongs to it, which the generator never saw"
    return Shown(
        name,
        title,
        f"{told[0].upper()}{told[1:]}. None was picked.",
        f"{len(inputs.z)} rows: input, output and what they are compared with",
        rows_picture(columns),
        wide=True,
    )


def _images(scene: Scene) -> Iterator[Shown]:
    """A grid, walks through latent space, and training images beside samples."""
    if scene.dataset is not None and scene.dataset.source is not None:
        yield from _translations(scene, scene.dataset)
        return
    samples = generate(scene.generator, scene.prior.of(range(GRID)), images=True)
    yield Shown(
        "samples",
        "Samples",
        f"{GRID} samples of the averaged generator, not picked: look for what repeats, "
        "and for what never appears.",
        f"Grid of {GRID} generated images",
        image_grid(samples, columns=10),
    )
    if scene.prior.classes:
        yield _by_class(scene)
    walked = generate(scene.generator, walk(scene.prior, 0, WALKS, WALKS), images=True)
    yield Shown(
        "interpolation",
        "Interpolation",
        "Each row walks through latent space from one sample to the next; a generator that has "
        "learned the data changes smoothly and stays plausible on the way.",
        f"{WALKS} rows of images that change from one sample to the next",
        image_grid(walked, columns=WALKS),
    )
    if scene.dataset is None:
        return
    partners, distances = nearest(samples[:PAIRS], scene.dataset)
    compared = min(len(scene.dataset.splits["train"]), MOST_COMPARED)
    yield Shown(
        "nearest",
        "Nearest training images",
        f"Each sample (orange) beside the nearest of {compared:,} training images (blue), in "
        "pixels: twins everywhere would mean that the generator has learned its data by heart. "
        f"Median distance {float(distances.median()):.1%} of the range of grey levels.",
        f"{PAIRS} generated images, each beside its nearest training image",
        pairs_picture(samples[:PAIRS], partners),
        wide=True,
    )


def _by_class(scene: Scene) -> Shown:
    """A row of samples for each class, the same latents in each column."""
    inputs = scene.prior.each_class(range(COLUMNS), MOST_CLASSES)
    rows = len(inputs.z) // COLUMNS
    names = scene.dataset.classes[:rows] if scene.dataset else ()
    told = f" From the top: {', '.join(names)}." if names else ""
    return Shown(
        "classes",
        "Class by class",
        "Each row is of one class, each column of one latent: what a column has in common is the "
        f"style, which the generator keeps apart from the class.{told}",
        f"{rows} rows of generated images, one class each",
        image_grid(generate(scene.generator, inputs, images=True), columns=COLUMNS),
    )


def _vectors(scene: Scene) -> Iterator[Shown]:
    """Densities or the plane with the discriminator's opinion, and the generator's grid."""
    if scene.dataset is None:
        return
    real = scene.dataset.split("select")[:CLOUD]
    fake = generate(scene.generator, scene.prior.of(range(CLOUD)), images=False)
    judge, latent = judge_of(scene.discriminator, scene.loss, real, fake), scene.prior.latent
    limits = vector_limits(real)
    drawing = vector_figure(real, fake, limits=limits, judge=judge)
    yield _of_vectors(drawing, fake.shape[1], judge)
    if fake.shape[1] == 2 and latent.size >= 2 and not scene.prior.classes:
        others = ""
        if latent.size > 2:
            middle = "0" if latent.prior == "normal" else "0.5"
            others = f" The other {latent.size - 2} latent values stay at {middle}."
        yield Shown(
            "warp",
            "The generator's grid",
            "The generator bends the straight grid of its latent plane (small) into the data: "
            "narrow cells are where it puts many samples, long stretched ones where it jumps "
            f"between modes.{others}",
            "The generator's latent grid, bent into data space over the real samples",
            warp_figure(scene.generator, latent, real, limits),
        )


def _of_vectors(drawing: Figure, dimensions: int, judge: Judge | None) -> Shown:
    """The picture of both clouds with the words for what is on it."""
    if dimensions == 1:
        caption = "The two densities should lie on each other."
        if judge:
            caption += (
                " The curve over them is the discriminator's: at the dashed line it cannot tell "
                "real from generated, and where it slopes it pushes samples uphill."
            )
        alt = "Densities of real and generated numbers"
        return Shown("densities", "Real and generated", caption, alt, drawing)
    caption = "Orange dots should lie where blue ones do."
    if judge:
        caption += (
            " Blue ground: the discriminator takes a point there for real; orange ground: for "
            "generated; on the thin line it cannot tell. Arrows show where it pushes samples."
        )
    alt = "Real and generated points in the plane"
    return Shown("plane", "Real and generated", caption, alt, drawing)
