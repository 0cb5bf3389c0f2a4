"""The look that the pictures of the benchmarks share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.common import IMAGES, QUICK, ROOT
from sparring.report import figure_png, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 11.0, 4.6  # inches of a sheet
TITLE, NOTE = 0.925, 0.86  # heights of its words, as shares


def sheet(
    title: str, note: str, panels: Sequence[str], right: float = 0.86, left: float = 0.055
) -> tuple[Figure, list]:
    """A figure with a title, a line that says what is seen, and panels side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.02, TITLE, title, size=15, weight="bold", color=look.INK)
    figure.text(0.02, NOTE, note, size=10.5, color=look.MUTED)
    room = {"left": left, "right": right, "bottom": 0.135, "top": 0.7, "wspace": 0.38}
    axes = list(figure.subplots(1, len(panels), gridspec_kw=room, squeeze=False)[0])
    for one, name in zip(axes, panels, strict=True):
        look.calm(one)
        one.set_title(name, loc="left", size=11, weight="bold", color=look.INK, pad=12)
    return figure, axes


def across(axes: Axes, text: str) -> None:
    """Name the horizontal axis."""
    axes.set_xlabel(text, size=9.5, color=look.MUTED, labelpad=6)


def name(axes: Axes, text: str, color: str, x: float, y: float, ha: str = "left") -> None:
    """Write a line's name in its colour beside it, at data coordinates."""
    note = axes.annotate(text, (x, y), (5 if ha == "left" else -5, 0), "data", "offset points")
    note.set(size=9.5, weight="bold", color=color, va="center", ha=ha, annotation_clip=False)


def name_ends(axes: Axes, ends: Sequence[tuple[str, str, float]]) -> None:
    """Name lines by (text, colour, last value) right of the axes, pushed apart."""
    axes.set_ylim(axes.get_ylim())  # settles them: until then places are not known
    place = axes.transData + axes.transAxes.inverted()
    floor = 0.0
    for text, color, value in sorted(ends, key=lambda end: end[2]):
        y = max(floor, float(place.transform((0, value))[1]))
        lines = text.count("\n") + 1
        floor = y + 0.08 * lines
        note = axes.text(1.03, y, text, transform=axes.transAxes)
        note.set(size=9.5, weight="bold", color=color, va="center", linespacing=1.25)


def save(figure: Figure, name: str, quick: bool) -> str:
    """Write the picture; returns its path within the repository."""
    path = (QUICK if quick else IMAGES) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure_png(figure, path)
    return path.relative_to(ROOT.parent).as_posix()
