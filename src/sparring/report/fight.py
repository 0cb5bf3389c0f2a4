"""What the referee saw over a run: distance, diversity, separation, copies, the class histogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparring.report import look
from sparring.report.curves import History, Line, Mark, Panel, line_of, panels_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record = dict[str, Any]
BARS = 1.5  # inches of the histogram
MOST_BARS = 64


def marks_of(findings: list[Record], history: History) -> list[Mark]:
    """Where findings that were seen during training began, numbered as in the list of them.

    Those that began at one step share a mark: their numbers would lie on each other.
    """
    seen = [tick for tick in history if tick.get("step") and tick.get("samples_seen")]
    if not seen:
        return []
    each = seen[-1]["samples_seen"] / seen[-1]["step"]
    places: dict[int, list[str]] = {}
    for place, finding in enumerate(findings, 1):
        if isinstance(finding.get("step"), int) and finding["step"] > 0:
            places.setdefault(finding["step"], []).append(str(place))
    return [Mark(step * each / 1000, ", ".join(names)) for step, names in places.items()]


def fight_figure(history: History, width: float = 9.0, marks: list[Mark] | None = None) -> Figure:
    """Panels of what the looks found; without any, a figure without axes."""
    flat = [_flat(tick) for tick in history if isinstance(tick.get("look"), dict)]
    panels = [
        Panel(
            "Distance to the data",
            "energy distance to unseen real samples: 0 where they are alike, far from 0.3 on",
            1.4,
            [
                *line_of(flat, "seen/distance", "now", look.GENERATOR),
                *line_of(flat, "seen/distance_average", "averaged", look.ORANGE),
            ],
            _from_zero,
        ),
        Panel(
            "Diversity",
            "how far apart two generated samples are, and how evenly they fall into kinds; "
            "of real ones both are 1",
            1.4,
            [
                *line_of(flat, "seen/diversity", "diversity", look.GENERATOR),
                *line_of(flat, "seen/entropy", "evenness", look.PURPLE),
            ],
            _around_one,
        ),
        Panel(
            "Pairs that the discriminator tells apart",
            "real from generated, and training samples from unseen real ones; half is a guess",
            1.4,
            [
                *line_of(flat, "seen/separation", "generated", look.FAKE),
                *line_of(flat, "seen/overfitting", "training", look.REAL),
            ],
            _shares,
        ),
        Panel(
            "Copies of training images",
            "share of generated ones that are nearer to one than nearly all unseen images are",
            1.0,
            line_of(flat, "seen/copies", "copies", look.FAKE),
            _shares,
        ),
    ]
    return panels_figure([panel for panel in panels if panel.lines], width, marks or [])


def histogram_figure(history: History, width: float = 9.0) -> Figure | None:
    """Shares of generated and of real samples by class, mode or region, as last seen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    looks = [tick["look"] for tick in history if isinstance(tick.get("look"), dict)]
    known = [one for one in looks if one.get("shares") and one.get("shares_real")]
    if not known or not 2 <= len(known[-1]["shares"]) <= MOST_BARS:
        return None
    fake, real = (np.array(known[-1][key], float) for key in ("shares", "shares_real"))
    height = BARS + 1.2
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    title = figure.text(0.08 / width, (height - 0.36) / height, "What is generated, by kind")
    title.set(size=11.5, weight="bold", color=look.INK)
    note = "share of generated samples in each class, mode or region; lines: of real ones"
    figure.text(0.08 / width, (height - 0.55) / height, note, size=9, color=look.MUTED)
    axes = figure.add_axes((0.58 / width, 0.4 / height, 1 - 0.8 / width, BARS / height))
    look.calm(axes)
    place = np.arange(len(fake))
    axes.bar(place, fake, 0.7, color=look.FAKE)
    axes.hlines(real, place - 0.42, place + 0.42, color=look.REAL, linewidth=2)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xticks(place if len(fake) <= 20 else place[:: len(fake) // 10])
    return figure


def _flat(tick: Record) -> Record:
    """The samples seen of a tick, and the figures of its look."""
    figures = {f"seen/{key}": value for key, value in tick["look"].items()}
    return {"samples_seen": tick.get("samples_seen")} | {
        key: value for key, value in figures.items() if isinstance(value, int | float)
    }


def _from_zero(axes: Axes, lines: list[Line]) -> None:
    highest = max(float(np.nanmax(line.raw)) for line in lines)
    axes.set_ylim(0, max(0.4, 1.1 * min(highest, 3.0)))
    axes.axhline(0.3, color=look.MUTED, linewidth=1, dashes=(4, 3))


def _around_one(axes: Axes, lines: list[Line]) -> None:
    highest = max(float(np.nanmax(line.raw)) for line in lines)
    axes.set_ylim(0, max(1.2, 1.1 * min(highest, 3.0)))
    axes.axhline(1, color=look.MUTED, linewidth=1, dashes=(4, 3))


def _shares(axes: Axes, lines: list[Line]) -> None:
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.axhline(0.5, color=look.MUTED, linewidth=1, dashes=(4, 3))
