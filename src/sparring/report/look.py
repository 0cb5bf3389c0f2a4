"""The house look: colours for every kind of eye, calm axes, figures with a key above them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:  # matplotlib takes half a second to import, so only drawing functions load it
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

# Okabe and Ito's palette: told apart by people with any kind of colour vision.
BLUE, SKY, VERMILION, ORANGE = "#0072b2", "#56b4e9", "#d55e00", "#e69f00"
GREEN, PURPLE = "#009e73", "#cc79a7"
INK, MUTED, RULE = "#23272f", "#6a7180", "#e3e5ea"
# The same on every picture: the generator has the colour of what it makes.
REAL, FAKE, DISCRIMINATOR, GENERATOR = BLUE, VERMILION, INK, VERMILION

WIDTH = 5.2  # inches of a picture of vectors: its words can still be read on a telephone
LEFT, RIGHT, BOTTOM = 0.42, 0.16, 0.36  # inches around its axes
ROW, HEADING = 0.235, 0.34  # inches of a line of the key, and of the title


class Entry(NamedTuple):
    """A line of a picture's key: a mark in its colour, what it stands for, and a remark."""

    mark: str
    color: str
    name: str
    note: str = ""


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


def paper(
    title: str, key: list[Entry], height: float, below: float = 0.0, right: float = RIGHT
) -> tuple[Figure, Axes]:
    """A white figure with a title, a key and axes of `height` inches under them.

    below, right: inches kept free under the axes and beside them.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heading = HEADING if title else 0.08
    foot = BOTTOM + below
    total = heading + ROW * len(key) + 0.16 + height + foot
    figure = Figure(figsize=(WIDTH, total), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    if title:
        say(figure, 0.1, 0.25, title, size=12.5, weight="bold", color=INK)
    for row, entry in enumerate(key):
        y = heading + ROW * (row + 0.72)
        say(figure, 0.1, y, entry.mark, size=10.5, color=entry.color, weight="bold")
        say(figure, 0.3, y, entry.name, size=10.5, weight="bold", color=INK)
        say(figure, 1.3, y, entry.note, size=10, color=MUTED)
    box = (LEFT / WIDTH, foot / total, 1 - (LEFT + right) / WIDTH, height / total)
    return figure, figure.add_axes(box)


def say(figure: Figure, x: float, y: float, text: str, **style: Any) -> None:
    """Write on a figure, x inches from its left and y from its top."""
    width, height = figure.get_size_inches()
    figure.text(x / width, 1 - y / height, text, parse_math=False, **style)


def to_image(figure: Figure, dpi: int = 120) -> Image.Image:
    """The figure as pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
