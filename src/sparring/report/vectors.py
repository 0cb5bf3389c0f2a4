"""Vectors as pictures: densities in 1-D with the discriminator's curve, else the plane."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sparring.report import look
from sparring.report.judge import Judge
from sparring.report.look import Array, Entry
from sparring.report.plane import Limits, finite, plane_figure, unseen

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COARSE, FINE = 80, 160  # cells a side of the heat map: in a film, on a page


def vector_limits(samples: Tensor, margin: float = 0.25) -> Limits:
    """The range of the first one or two dimensions of samples [N, D], widened by a margin."""
    limits = []
    for values in finite(samples)[:, :2].T:
        low, high = (float(values.min()), float(values.max())) if len(values) else (-1.0, 1.0)
        room = margin * (high - low) or 1.0
        limits.append((low - room, high + room))
    return tuple(limits)


def vector_figure(
    real: Tensor,
    fake: Tensor,
    title: str = "",
    limits: Limits | None = None,
    judge: Judge | None = None,
    resolution: int = FINE,
) -> Figure:
    """Draw generated vectors against real ones: densities in 1-D, a scatter from 2-D on.

    real, fake: float [N, D]; real may have no rows. limits: of the axes, so that the frames of an
    animation line up; None takes them from `real`. judge: adds the discriminator's opinion, as a
    curve in 1-D, in 2-D as a heat map of `resolution` cells a side with arrows on the fakes.
    """
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1] or fake.shape[1] < 1:
        raise ValueError(
            f"vectors must be [N, D] with one D, not {list(real.shape)} and {list(fake.shape)}"
        )
    limits = limits or vector_limits(real if len(real) else fake)
    if fake.shape[1] == 1:
        return _densities(real, fake, title, limits, judge)
    judge = judge if fake.shape[1] == 2 else None
    return plane_figure(real, fake, title, limits, judge, resolution)


def vector_picture(
    real: Tensor,
    fake: Tensor,
    title: str = "",
    limits: Limits | None = None,
    judge: Judge | None = None,
) -> Image.Image:
    """The picture of `vector_figure` at the size of a film."""
    return look.to_image(vector_figure(real, fake, title, limits, judge, COARSE))


def _densities(
    real: Tensor, fake: Tensor, title: str, limits: Limits, judge: Judge | None
) -> Figure:
    """Both densities of 1-D samples with their moments, and the discriminator's curve over them."""
    key, drawn = [], []
    edges = np.linspace(*limits[0], 401)
    for name, samples, color in (("real", real, look.REAL), ("generated", fake, look.FAKE)):
        if len(samples):
            values = finite(samples)[:, 0]
            note = f"{_moments(values)}{unseen(samples, limits)}"
            key.append(Entry("●", color, name, note))
            drawn.append((_density(values, edges, len(samples)), color))
    if judge:
        told = "from 0 (generated) to 1 (real)" if judge.is_probability else "0: it cannot tell"
        key.append(Entry("━", look.DISCRIMINATOR, f"D's {judge.word}", told))
    figure, axes = look.paper(title, key, 2.75, right=0.42 if judge else look.RIGHT)
    centres = (edges[1:] + edges[:-1]) / 2
    for density, color in drawn:
        axes.fill_between(centres, density, color=color, alpha=0.25, linewidth=0)
        axes.plot(centres, density, color=color, linewidth=2.2)
    # The scale is that of the real data, so that the frames of a film line up.
    top = 1.45 * float(drawn[0][0].max()) if drawn else 0.0
    axes.set(xlim=limits[0], ylim=limits[1] if len(limits) > 1 else (0.0, top or 1.0))
    look.calm(axes)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    if judge:
        _score_curve(axes, judge, centres)
    return figure


def _score_curve(axes: Axes, judge: Judge, at: Array) -> None:
    """The discriminator's score over a line, on an axis of its own at the right."""
    other = axes.twinx()
    look.calm(other)
    other.grid(visible=False)
    other.spines["bottom"].set_visible(False)
    scores = judge.scores(torch.from_numpy(at).float()[:, None]).numpy()
    other.axhline(judge.middle, color=look.MUTED, linewidth=1, dashes=(4, 3))
    other.plot(at, scores, color=look.DISCRIMINATOR, linewidth=2.2)
    low, high = judge.limits
    room = 0.03 * (high - low)
    other.set_ylim(low - room, high + room)
    other.set_yticks([low, judge.middle, high], [f"{v:.2g}" for v in (low, judge.middle, high)])
    other.tick_params(labelcolor=look.INK)


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
