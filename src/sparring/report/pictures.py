"""Samples as pictures: a grid of images, or the density or scatter of vectors."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from sparring.run import write_bytes

if TYPE_CHECKING:  # matplotlib takes half a second to import, so only drawing functions load it
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]
Limits = tuple[tuple[float, float], ...]

# Okabe and Ito's palette: told apart by people with any kind of colour vision.
BLUE, SKY, VERMILION, ORANGE = "#0072b2", "#56b4e9", "#d55e00", "#e69f00"
GREEN, PURPLE = "#009e73", "#cc79a7"
INK, MUTED, RULE, GREY = "#23272f", "#6a7180", "#e3e5ea", "#8b919c"

GROUND = 40  # the dark grey between the images of a grid
SMALLEST_CELL, SMALLEST_GRID = 40, 460  # pixels; 8 x 8 digits of 28 get twice their size
MOST_POINTS = 4000  # in a scatter; more only hides the shape


def save_png(image: Image.Image, path: Path) -> None:
    """Write a PNG so that a reader sees the old file or the new one, never half of it."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    write_bytes(Path(path), buffer.getvalue())


def image_grid(
    samples: torch.Tensor, columns: int | None = None, scale: int | None = None, gap: int = 2
) -> Image.Image:
    """Lay images out row by row on dark grey.

    samples: uint8 [N, C, H, W], C = 1 (gives a grey picture) or 3. scale: integer enlargement;
    None enlarges small images until they can be seen. gap: pixels between and around them.
    """
    shape = tuple(samples.shape)
    if samples.dtype != torch.uint8 or len(shape) != 4 or shape[0] < 1 or shape[1] not in (1, 3):
        raise ValueError(
            "a grid needs uint8 images [N, C, H, W] with N > 0 and C = 1 or 3,"
            f" not {samples.dtype} {list(shape)}"
        )
    count, channels, height, width = shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    scale = scale or max(
        1,
        math.ceil(SMALLEST_CELL / min(height, width)),
        math.ceil((SMALLEST_GRID - gap * (columns + 1)) / (columns * width)),
    )
    tiles = samples.detach().cpu().permute(0, 2, 3, 1).numpy()
    tiles = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
    down, across = height * scale + gap, width * scale + gap
    canvas = np.full((gap + rows * down, gap + columns * across, channels), GROUND, np.uint8)
    for i, tile in enumerate(tiles):
        row, column = divmod(i, columns)
        top, left = gap + row * down, gap + column * across
        canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return Image.fromarray(canvas[..., 0] if channels == 1 else canvas)


def vector_limits(samples: torch.Tensor, margin: float = 0.25) -> Limits:
    """The range of the first one or two dimensions of samples [N, D], widened by a margin."""
    limits = []
    for values in _finite(samples)[:, :2].T:
        low, high = (float(values.min()), float(values.max())) if len(values) else (-1.0, 1.0)
        room = margin * (high - low) or 1.0
        limits.append((low - room, high + room))
    return tuple(limits)


def vector_picture(
    real: torch.Tensor, fake: torch.Tensor, title: str = "", limits: Limits | None = None
) -> Image.Image:
    """Draw generated vectors against real ones: densities in 1-D, a scatter from 2-D on.

    real, fake: float [N, D]; real may have no rows. limits: the axis limits ((x0, x1), (y0, y1)),
    so that the frames of an animation line up; None takes them from `real`.
    """
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1] or fake.shape[1] < 1:
        raise ValueError(
            f"vectors must be [N, D] with one D, not {list(real.shape)} and {list(fake.shape)}"
        )
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    limits = limits or vector_limits(real if len(real) else fake)
    figure = Figure(figsize=(7.2, 4.8), dpi=100, facecolor="white")
    canvas: Any = FigureCanvasAgg(figure)
    draw = _densities if fake.shape[1] == 1 else _scatter
    draw(figure, real, fake, limits)
    if title:
        figure.text(0.035, 0.935, title, parse_math=False, size=13, weight="bold", color=INK)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def samples_picture(
    fake: torch.Tensor,
    real: torch.Tensor | None = None,
    title: str = "",
    limits: Limits | None = None,
    columns: int | None = None,
) -> Image.Image:
    """Picture samples of either kind: uint8 [N, C, H, W] as a grid, float [N, D] as a plot."""
    if fake.ndim == 4:
        return image_grid(fake, columns=columns)
    return vector_picture(fake[:0] if real is None else real, fake, title=title, limits=limits)


def calm(axes: Axes, grid: str = "y") -> None:
    """Give axes the house look: horizontal rules, a base line, small grey numbers."""
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.spines["bottom"].set_linewidth(0.8)
    which: Any = grid
    axes.grid(axis=which, color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, labelsize=9, labelcolor=MUTED, pad=5)


def _finite(samples: torch.Tensor) -> Array:
    """Rows of samples [N, D] without NaN or infinity, float64."""
    values = samples.detach().cpu().double().numpy()
    kept: Array = values[np.isfinite(values).all(axis=1)]
    return kept


def _densities(figure: Figure, real: torch.Tensor, fake: torch.Tensor, limits: Limits) -> None:
    """Draw both densities of 1-D samples, with their means and standard deviations."""
    axes = figure.add_axes((0.075, 0.085, 0.895, 0.68))
    edges = np.linspace(*limits[0], 401)
    centres = (edges[1:] + edges[:-1]) / 2
    top = 0.0
    both = [("real", real, GREY, 0.868), ("generated", fake, VERMILION, 0.818)]
    for name, samples, color, y in both:
        if len(samples) == 0:
            continue
        values = _finite(samples)[:, 0]
        density = _density(values, edges, len(samples))
        top = top or 1.75 * float(density.max())  # from the real data, so that frames line up
        axes.fill_between(centres, density, color=color, alpha=0.28, linewidth=0)
        axes.plot(centres, density, color=color, linewidth=2.2)
        figure.text(0.035, y, "●", size=10.5, color=color)
        figure.text(0.062, y, name, size=10.5, weight="bold", color=INK)
        text = f"{_moments(values)}{_unseen(samples, limits, before=', ')}"
        figure.text(0.2, y, text, size=10.5, color=INK)
    axes.set_xlim(*limits[0])
    axes.set_ylim(*(limits[1] if len(limits) > 1 else (0.0, top or 1.0)))
    calm(axes)


def _scatter(figure: Figure, real: torch.Tensor, fake: torch.Tensor, limits: Limits) -> None:
    """Draw the first two dimensions of real samples and, over them, of generated ones."""
    axes = figure.add_axes((0.07, 0.085, 0.56, 0.8), aspect="equal", anchor="W")
    both = [("real", real, GREY, 0.83), ("generated", fake, VERMILION, 0.66)]
    for name, samples, color, y in both:
        if len(samples) == 0:
            continue
        points = _finite(samples)[:MOST_POINTS]
        size = 5 + 500 / max(len(points), 50)
        axes.scatter(points[:, 0], points[:, 1], s=size, color=color, alpha=0.5, linewidths=0)
        figure.text(0.665, y, "●", size=10.5, color=color)
        figure.text(0.692, y, name, size=10.5, weight="bold", color=INK)
        text = f"{len(samples):,} samples{_unseen(samples, limits, before=chr(10))}"
        style: dict[str, Any] = {"size": 10, "color": MUTED, "va": "top", "linespacing": 1.5}
        figure.text(0.692, y - 0.022, text, **style)
    if fake.shape[1] > 2:
        figure.text(0.692, 0.13, f"the first two\nof {fake.shape[1]} dimensions", **style)
    axes.set_xlim(*limits[0])
    axes.set_ylim(*limits[1])
    calm(axes, grid="both")


def _density(values: Array, edges: Array, count: int) -> Array:
    """Kernel density in bins, Silverman's bandwidth; count includes values beyond the edges."""
    if len(values) == 0:
        return np.zeros(len(edges) - 1)
    quarter, three_quarters = np.quantile(values, [0.25, 0.75])
    spread = min(float(values.std()), float(three_quarters - quarter) / 1.34)
    step = float(edges[1] - edges[0])
    bandwidth = min(max(0.9 * spread * len(values) ** -0.2 / step, 0.8), len(edges) / 10)
    reach = math.ceil(4 * bandwidth)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / bandwidth) ** 2)
    counts = np.histogram(values, edges)[0] / (count * step)
    smooth: Array = np.convolve(counts, kernel / kernel.sum(), mode="same")
    return smooth


def _moments(values: Array) -> str:
    """Mean and standard deviation in words."""
    if len(values) == 0:
        return "no finite values"
    return f"mean {values.mean():.2f}, std {values.std():.2f}"


def _unseen(samples: torch.Tensor, limits: Limits, before: str) -> str:
    """How many samples the picture cannot show, in words; empty when under half a percent."""
    values = _finite(samples)
    low, high = np.array(limits[: samples.shape[1]][:2]).T
    seen = values[:, : len(low)]
    missing = 1 - ((seen >= low) & (seen <= high)).all(axis=1).sum() / len(samples)
    return f"{before}{missing:.0%} out of sight" if missing >= 0.005 else ""
