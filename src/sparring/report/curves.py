"""Training curves: losses, scores, accuracy, gradient norms and metrics over samples seen."""

from __future__ import annotations

import html
import io
import math
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sparring.report import look
from sparring.run import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

History = list[dict[str, Any]]
# 1: more is better, -1: less is. A metric that is not listed gets no best mark.
DIRECTIONS = dict.fromkeys(("is", "precision", "recall", "density", "coverage", "cas", "modes"), 1)
DIRECTIONS |= dict.fromkeys(("fid", "kid", "ppl", "wasserstein", "moments", "l1"), -1) | {"psnr": 1}
LEFT, RIGHT, TITLE, BOTTOM = 0.58, 1.12, 0.8, 0.62  # inches around the panels
SMOOTHED_FROM, MOST_POINTS = 60, 1200  # ticks of one line
SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
RASTER = 180  # dots an inch of what an SVG holds as pixels
# A page may redefine these in the dark; elsewhere the literal colour holds.
INKS = {look.INK: "ink", look.MUTED: "muted", look.RULE: "rule"}
VARIABLES = INKS | {look.BLUE: "blue", look.VERMILION: "vermilion"}
_RC_LOCK = threading.Lock()  # rc_context swaps settings that all threads share


@dataclass(frozen=True)
class Line:
    """One quantity over time: x in thousands of samples, y as recorded and perhaps smoothed."""

    label: str
    color: str
    x: look.Array
    raw: look.Array
    smooth: look.Array | None

    @property
    def bold(self) -> look.Array:
        """The values that the eye should follow."""
        return self.raw if self.smooth is None else self.smooth

    @property
    def end(self) -> float:
        """The last value that is a number."""
        return float(self.bold[np.isfinite(self.bold)][-1])


class Mark(NamedTuple):
    """Where a finding began, in thousands of samples, and its number in the report."""

    x: float
    label: str


@dataclass(frozen=True)
class Panel:
    """One set of axes: its words, its height in inches, its lines and what they are drawn on."""

    title: str
    note: str
    height: float
    lines: list[Line]
    prepare: Callable[[Axes, list[Line]], None]


def curves_figure(
    history: History,
    equilibrium: dict[str, float],
    width: float = 9.0,
    marks: Sequence[Mark] = (),
) -> Figure:
    """Draw a run's history as panels over one another that share the axis of samples seen.

    history: one record a tick, values may be missing, None or not finite. equilibrium: the value
    of "loss/PHASE" when neither player can win. width: inches; the text keeps its size. marks:
    where findings began. A history with nothing to draw gives a figure without axes.
    """
    return panels_figure(_panels(history, equilibrium), width, marks)


def panels_figure(panels: Sequence[Panel], width: float, marks: Sequence[Mark] = ()) -> Figure:
    """Panels over one another that share the axis of samples seen, in thousands."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = top = sum(TITLE + panel.height for panel in panels) + BOTTOM
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    end = max((float(line.x[-1]) for panel in panels for line in panel.lines), default=0.0)
    for panel in panels:
        title = figure.text(0.08 / width, (top - 0.36) / height, panel.title, parse_math=False)
        title.set(size=11.5, weight="bold", color=look.INK)
        figure.text(0.08 / width, (top - 0.55) / height, panel.note, size=9, color=look.MUTED)
        top -= TITLE + panel.height
        box = (LEFT / width, top / height, 1 - (LEFT + RIGHT) / width, panel.height / height)
        axes = figure.add_axes(box, xlim=(0, end or 1))
        look.calm(axes)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        axes.tick_params(labelbottom=panel is panels[-1])
        panel.prepare(axes, panel.lines)
        _plot(axes, panel.lines)
        _mark(axes, [mark for mark in marks if mark.x <= end])
        if panel.prepare is not _prepare_metric:  # there the title is the name
            _name_ends(axes, panel.lines)
    if panels:
        axes.set_xlabel("samples seen, in thousands", size=9.5, color=look.MUTED, labelpad=7)
    return figure


def _mark(axes: Axes, marks: Sequence[Mark]) -> None:
    """A line where each finding began, with its number in the list of them above the axes."""
    for mark in marks:
        axes.axvline(mark.x, color=look.MUTED, linewidth=1.1, dashes=(1.5, 2))
        place = axes.get_xaxis_transform()
        name = axes.annotate(mark.label, (mark.x, 1), (0, 2), place, "offset points")
        name.set(size=8.5, weight="bold", color=look.INK, ha="center")


def figure_svg(figure: Figure, label: str = "") -> str:
    """The figure as an <svg> element for an HTML page, as wide as its place, text as text.

    Inks are CSS variables (--ink, ...) with the printed colour as fallback. label: its aria-label.
    """
    import matplotlib

    buffer = io.StringIO()
    salt = f"{figure.get_figwidth():g} {label}"  # ids must differ between the figures of a page
    with _RC_LOCK, matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", transparent=True, dpi=RASTER)
    width, height = 72 * figure.get_size_inches()
    opening = '<svg xmlns="http://www.w3.org/2000/svg" role="img" style="stroke-linejoin: round"'
    opening += f' aria-label="{html.escape(label)}" viewBox="0 0 {width:g} {height:g}">'
    drawing = buffer.getvalue().partition("<svg")[2].partition(">")[2].strip()
    dropped = r"<metadata>.*?</metadata>\s*|<style.*?</style>\s*|<!--.*?-->\s*"
    text = re.sub(dropped, "", opening + drawing, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text).replace("xlink:href", "href")
    text = re.sub(r"'DejaVu Sans'[^;\"]*", SANS, text)
    for color, name in VARIABLES.items():
        text = text.replace(color, f"var(--{name}, {color})")
    return text


def figure_png(figure: Figure, path: Path, dpi: int = 200) -> None:
    """Write the figure as a PNG, atomically."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    write_bytes(Path(path), buffer.getvalue())


def metric_title(name: str) -> str:
    """A metric's name as people write it: FID, KID, but Precision."""
    short = name in ("fid", "kid", "is", "lpips", "ppl", "cas", "l1", "psnr")
    return name.upper() if short else name.capitalize()


def _panels(history: History, equilibrium: dict[str, float]) -> list[Panel]:
    """The panels that the history has data for, in reading order."""
    losses, norms = _phases(history, "loss"), _phases(history, "grad_norm")
    scores, accuracy = _real_and_fake(history, "score"), _real_and_fake(history, "accuracy")
    note = "dashed: where a loss settles when neither player can win" if equilibrium else ""
    score_note = "its mean score, from 0 (surely generated) to 1 (surely real)"
    accuracy_note = "share that it recognises; shaded: healthy, 60 to 80%"
    panels = [
        Panel("Losses", note, 2.1, losses, partial(_prepare_losses, equilibrium)),
        Panel("What the discriminator says", score_note, 1.4, scores, _prepare_scores),
        Panel("The discriminator's accuracy", accuracy_note, 1.4, accuracy, _prepare_accuracy),
        Panel("Gradient norms", "on a logarithmic scale", 1.4, norms, _prepare_norms),
    ]
    for key in _keys(history, "metric"):
        name = key.partition("/")[2]
        note = {1: "higher is better", -1: "lower is better"}.get(DIRECTIONS.get(name, 0), "")
        line = line_of(history, key, name, look.PURPLE)
        panels.append(Panel(metric_title(name), note, 1.4, line, _prepare_metric))
    return [panel for panel in panels if panel.lines]


def _keys(history: History, group: str) -> list[str]:
    """All keys GROUP/NAME in the order they first appear; GROUP/NAME/TERM is not among them."""
    found = {key: None for tick in history for key in tick if re.fullmatch(rf"{group}/[^/]+", key)}
    return list(found)


def _phases(history: History, group: str) -> list[Line]:
    """A line for each player's phase; discriminators are dark, generators as their samples."""
    families = {"g": [look.GENERATOR, look.ORANGE], "d": [look.DISCRIMINATOR, look.MUTED]}
    others = [look.GREEN, look.PURPLE, look.SKY]
    lines = []
    for key in _keys(history, group):
        name = key.partition("/")[2]
        colors = families.get(name[0].lower().replace("c", "d")) or others  # c: a critic
        lines += line_of(history, key, name, colors.pop(0) if len(colors) > 1 else colors[0])
    return lines


def _real_and_fake(history: History, group: str) -> list[Line]:
    """The lines GROUP/real and GROUP/fake, as far as they exist."""
    real = line_of(history, f"{group}/real", "real", look.REAL)
    return real + line_of(history, f"{group}/fake", "generated", look.FAKE)


def line_of(history: History, key: str, label: str, color: str) -> list[Line]:
    """One quantity from the ticks that have it, or nothing if it never has a finite value."""
    ticks = [tick for tick in history if key in tick and tick.get("samples_seen") is not None]
    x = np.array([tick["samples_seen"] / 1000 for tick in ticks], float)
    y = np.array([math.nan if tick[key] is None else tick[key] for tick in ticks], float)
    y[~np.isfinite(y)] = math.nan
    if np.isnan(y).all():
        return []
    kept = np.linspace(0, len(y) - 1, min(len(y), MOST_POINTS)).round().astype(int)
    as_it_is = key.startswith("metric/") or len(y) < SMOOTHED_FROM
    return [Line(label, color, x[kept], y[kept], None if as_it_is else _smooth(y)[kept])]


def _smooth(y: look.Array) -> look.Array:
    """Gaussian average over about a fortieth of the history; gaps stay gaps."""
    width = len(y) / 40
    reach = math.ceil(2.5 * width)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    known = np.isfinite(y)
    total = np.convolve(np.where(known, y, 0), kernel, mode="same")
    weight = np.convolve(known, kernel, mode="same")
    return np.where(known, total / np.maximum(weight, 1e-12), math.nan)


def _plot(axes: Axes, lines: list[Line]) -> None:
    """Draw lines, and a cross where one first stops being a number."""
    for line in lines:
        if line.smooth is not None:
            axes.plot(line.x, line.raw, color=line.color, linewidth=0.7, alpha=0.3)
        axes.plot(line.x, line.bold, color=line.color, linewidth=2)
    missing = np.concatenate([line.x[np.isnan(line.raw)] for line in lines])
    if len(missing):
        _say(axes, "✕\nnot finite", float(missing.min()), 0, at_x=True)


def _say(axes: Axes, text: str, x: float, y: float, up: float = 3, at_x: bool = False) -> None:
    """Write a note `up` points above a level y at the right edge, or at x on the base line."""
    place = axes.get_xaxis_transform() if at_x else axes.get_yaxis_transform()
    note = axes.annotate(text, (x, y), (0, up), place, "offset points", parse_math=False)
    note.set(size=8.5, color=look.INK if at_x else look.MUTED, ha="center" if at_x else "right")


def _fit(axes: Axes, lines: list[Line], also: list[float]) -> None:
    """Set the y limits to the bold lines, nearly all raw values, and the values in `also`."""
    nearly = [np.nanquantile(line.raw, [0.02, 0.98]) for line in lines]
    values = np.concatenate([*nearly, *(line.bold for line in lines), also])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.11 * (high - low) or 0.1 * abs(high) or 1.0
    axes.set_ylim(low - room, high + room)


def _name_ends(axes: Axes, lines: list[Line]) -> None:
    """Write each line's name at its right end, pushed apart where two would overlap."""
    gap = 17 / axes.bbox.height
    place = axes.transData + axes.transAxes.inverted()
    floor = 0.0
    for i, line in enumerate(sorted(lines, key=lambda line: line.end)):
        ceiling = 1.0 - gap * (len(lines) - 1 - i)
        y = min(max(floor, float(place.transform((0, line.end))[1])), ceiling)
        floor = y + gap
        name = axes.text(1.012, y, line.label, transform=axes.transAxes, parse_math=False)
        name.set(size=9.5, weight="bold", color=line.color, va="center")


def _prepare_losses(equilibrium: dict[str, float], axes: Axes, lines: list[Line]) -> None:
    """Losses, with the values at which neither player can win."""
    known = [(line, equilibrium[k]) for line in lines if (k := f"loss/{line.label}") in equilibrium]
    _fit(axes, lines, [level for _, level in known])
    for line, level in known:
        axes.axhline(level, color=look.MUTED, linewidth=1, dashes=(4, 3))
        # On the side of the dashed line where the curve is not.
        _say(axes, f"{line.label} {level:.3f}", 1, level, up=4 if line.end < level else -11)


def _prepare_scores(axes: Axes, _: list[Line]) -> None:
    """Mean scores, from 0 to 1."""
    axes.set_ylim(0, 1)
    axes.axhline(0.5, color=look.MUTED, linewidth=1, dashes=(4, 3))


def _prepare_accuracy(axes: Axes, _: list[Line]) -> None:
    """Accuracies, with the band in which the fight is even."""
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.axhspan(0.6, 0.8, color=look.GREEN, alpha=0.13, linewidth=0)


def _prepare_norms(axes: Axes, lines: list[Line]) -> None:
    """Gradient norms on a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullLocator

    positive = np.concatenate([line.raw[line.raw > 0] for line in lines])
    if len(positive) == 0:
        return
    low, high = float(positive.min()), float(positive.max())
    axes.set_yscale("log", nonpositive="mask")
    axes.set_ylim(low / 1.3, high * 1.3)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 50 else (1,)))
    axes.yaxis.set_minor_locator(NullLocator())  # its labels would overlap the major ones
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _prepare_metric(axes: Axes, lines: list[Line]) -> None:
    """One metric where it was measured, the best value ringed."""
    (line,) = lines
    direction = DIRECTIONS.get(line.label, 0)
    _fit(axes, lines, [])
    if len(line.x) < SMOOTHED_FROM:
        axes.plot(line.x, line.raw, "o", color=line.color, markersize=4, clip_on=False)
    if direction:
        best = int(np.nanargmax(direction * line.raw))
        x, y = float(line.x[best]), float(line.raw[best])
        axes.plot(x, y, "o", markersize=10, fillstyle="none", color=look.INK, clip_on=False)
        value = f"{y:,.0f}" if abs(y) >= 1000 else f"{y:.3g}"  # powers of ten would not fit
        text = axes.text(1.03, 0.5, f"best {value}\nat {x:,.4g}k", transform=axes.transAxes)
        text.set(size=9.5, weight="bold", color=look.INK, va="center")
