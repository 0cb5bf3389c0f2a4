"""The plane as a picture: what the discriminator says of it, and how the generator fills it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from sparring.games import generate
from sparring.recipe import Latent
from sparring.report import look
from sparring.report.judge import Judge
from sparring.report.look import Array, Entry

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Limits = tuple[tuple[float, float], ...]

MOST_POINTS, ARROWS = 1000, 64  # of one cloud; more only hides the shape
SQUARE = 4.62  # inches of the axes
LINES, PER_LINE = 21, 121  # of the generator's grid, each way
# Pale sides of the discriminator's opinion: vermilion ground says generated, blue says real.
OPINION = ("#f3ae82", "#f7f6f3", "#86bede")
MARK = "#1c2026"  # on the map, which is as pale on a dark page: not the ink that a page turns


def plane_figure(
    real: Tensor, fake: Tensor, title: str, limits: Limits, judge: Judge | None, resolution: int
) -> Figure:
    """The first two dimensions of both clouds, over the discriminator's opinion of the plane."""
    limits = _square(limits)
    key = []
    for name, samples, color in (("real", real, look.REAL), ("generated", fake, look.FAKE)):
        if len(samples):
            note = f"{len(samples):,} samples{unseen(samples, limits)}"
            if fake.shape[1] > 2:
                note += f", 2 of {fake.shape[1]} dimensions"
            key.append(Entry("●", color, name, note))
    if judge:
        key.append(Entry("➝", look.INK, "push", f"D's {judge.word} rises this way"))
    figure, axes = look.paper(title, key, SQUARE, below=0.36 if judge else 0.0)
    _frame(axes, limits)
    if judge:
        _opinion(figure, axes, judge, limits, resolution)
    _cloud(axes, real, look.REAL)
    _cloud(axes, fake, look.FAKE)
    if judge:
        _arrows(axes, judge, fake, limits)
    return figure


def warp_figure(
    generator: nn.Module, latent: Latent, real: Tensor, limits: Limits, title: str = ""
) -> Figure:
    """The generator's grid in data space: lines of equal z1 and z2 and where it bends them.

    Between two lines lies the same share of all samples. Further latents stay in the middle of
    the prior. real: float [N, 2], drawn below it.
    """
    from matplotlib.collections import LineCollection

    limits = _square(limits)
    key = [
        Entry("●", look.REAL, "real", f"{len(real):,} samples"),
        Entry("━", look.VERMILION, "equal z₁", "of the latent grid (right),"),
        Entry("━", look.ORANGE, "equal z₂", "bent into the data"),
    ]
    figure, axes = look.paper(title, key, SQUARE)
    _frame(axes, limits)
    _cloud(axes, real, look.REAL, alpha=0.3)
    flat = latent_grid(latent)
    bent = generate(generator, flat.flatten(0, 2), images=False).view(2, LINES, PER_LINE, 2)
    width, height = figure.get_size_inches()
    side = 0.86  # inches of the grid before it is bent
    left, bottom = width - side - look.RIGHT, height - side - 0.12
    small = figure.add_axes((left / width, bottom / height, side / width, side / height))
    for panel, lines, thick in ((axes, bent, 0.8), (small, flat[..., :2], 0.6)):
        for of_axis, color in zip(lines.numpy(), (look.VERMILION, look.ORANGE), strict=True):
            drawn = LineCollection(list(of_axis), colors=color, linewidths=thick, alpha=0.75)
            panel.add_collection(drawn)
    small.autoscale_view()
    small.set_axis_off()
    return figure


def score_map(judge: Judge, limits: Limits, resolution: int) -> Array:
    """Scores [resolution, resolution] at the centres of cells; rows go up, columns to the right."""
    x, y = (_centres(low, high, resolution) for low, high in limits)
    points = torch.cartesian_prod(torch.from_numpy(y), torch.from_numpy(x)).flip(1)
    scores: Array = judge.scores(points.float()).view(resolution, resolution).double().numpy()
    return scores


def pushes(judge: Judge, fake: Tensor, longest: float) -> Array:
    """Arrows [N, 2] along the logit's gradient at fakes [N, 2], the strongest `longest` long.

    A tenth of the arrows may be stronger still; they are cut to the same length.
    """
    arrows = judge.gradients(fake).double().numpy()
    size = np.linalg.norm(arrows, axis=1, keepdims=True)
    strong = float(np.nanquantile(size, 0.9)) if np.isfinite(size).any() else 0.0
    pushed: Array = arrows * (longest / np.maximum(size, strong or 1.0))
    return pushed


def latent_grid(latent: Latent) -> Tensor:
    """Latents [2, LINES, PER_LINE, size]: lines of equal z1, then of equal z2, by equal shares."""
    share = torch.linspace(0.02, 0.98, LINES)
    along = torch.linspace(0.02, 0.98, PER_LINE)
    first, second = torch.meshgrid(share, along, indexing="ij")
    grid = torch.full((2, LINES, PER_LINE, latent.size), 0.5)
    grid[0, ..., 0], grid[0, ..., 1] = first, second
    grid[1, ..., 1], grid[1, ..., 0] = first, second
    return torch.special.ndtri(grid) if latent.prior == "normal" else grid


def _opinion(figure: Figure, axes: Axes, judge: Judge, limits: Limits, resolution: int) -> None:
    """The heat map of scores, the line where the discriminator cannot tell, and its key."""
    from matplotlib.colors import LinearSegmentedColormap

    low, high = judge.limits
    scores = score_map(judge, limits, resolution)
    colors = LinearSegmentedColormap.from_list("opinion", OPINION)
    where = (*limits[0], *limits[1])
    look_of: dict[str, Any] = {"cmap": colors, "origin": "lower", "aspect": "auto", "zorder": 0}
    axes.imshow(scores, extent=where, vmin=low, vmax=high, interpolation="bilinear", **look_of)
    x, y = (_centres(*limit, resolution) for limit in limits)
    if np.nanmin(scores) < judge.middle < np.nanmax(scores):
        line: dict[str, Any] = {"colors": MARK, "linewidths": 0.8, "alpha": 0.55, "zorder": 1}
        axes.contour(x, y, scores, [judge.middle], **line)
    axes.grid(visible=False)
    width, height = figure.get_size_inches()
    bar = figure.add_axes((1.62 / width, 0.13 / height, 2.2 / width, 0.11 / height))
    bar.imshow(np.linspace(0, 1, 64)[None], **look_of)
    bar.set_axis_off()
    words = {"size": 9.5, "color": look.MUTED, "va": "center"}
    ends = ("0", "1") if judge.is_probability else (f"{low:.2g}", f"{high:.2g}")
    look.say(figure, 1.56, height - 0.185, f"generated  {ends[0]}", ha="right", **words)
    look.say(figure, 3.88, height - 0.185, f"{ends[1]}  real", **words)


def _cloud(axes: Axes, samples: Tensor, color: str, alpha: float = 0.75) -> None:
    """A scatter of the first two dimensions."""
    points = finite(samples)[:MOST_POINTS]
    if len(points):
        size = 7 + 500 / max(len(points), 50)
        look_of: dict[str, Any] = {"alpha": alpha, "linewidths": 0.35, "edgecolors": "white"}
        axes.scatter(points[:, 0], points[:, 1], size, color, rasterized=True, **look_of)


def _arrows(axes: Axes, judge: Judge, fake: Tensor, limits: Limits) -> None:
    """Arrows on some of the fakes, along which the generator is pushed."""
    kept = fake[torch.isfinite(fake).all(dim=1)][:ARROWS]
    if len(kept) == 0:
        return
    x, y = kept.double().numpy().T
    u, v = pushes(judge, kept, 0.065 * (limits[0][1] - limits[0][0])).T
    style: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": 1, "zorder": 4}
    axes.quiver(x, y, u, v, color=MARK, width=0.0038, headwidth=4.5, headlength=5, **style)


def _frame(axes: Axes, limits: Limits) -> None:
    """Axes of the plane."""
    look.calm(axes, grid="both")
    axes.set(xlim=limits[0], ylim=limits[1])
    axes.locator_params(nbins=6)


def _square(limits: Limits) -> Limits:
    """Limits of the plane widened to one span, so that a circle stays a circle."""
    span = max(high - low for low, high in limits)
    return tuple(((low + high - span) / 2, (low + high + span) / 2) for low, high in limits)


def _centres(low: float, high: float, count: int) -> Array:
    """The centres of `count` equal parts of a range."""
    centres: Array = low + (np.arange(count) + 0.5) * (high - low) / count
    return centres


def finite(samples: Tensor) -> Array:
    """Rows of samples [N, D] without NaN or infinity, float64."""
    values = samples.detach().cpu().double().numpy()
    kept: Array = values[np.isfinite(values).all(axis=1)]
    return kept


def unseen(samples: Tensor, limits: Limits) -> str:
    """How many samples the picture cannot show, in words; empty when under half a percent."""
    values = finite(samples)
    low, high = np.array(limits[: samples.shape[1]][:2]).T
    seen = values[:, : len(low)]
    missing = 1 - ((seen >= low) & (seen <= high)).all(axis=1).sum() / len(samples)
    return f", {missing:.0%} out of sight" if missing >= 0.005 else ""
