"""The pictures of benchmarks.wasserstein."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from benchmarks import drawing
from benchmarks.common import ROOT
from benchmarks.drawing import look

COLORS = (look.BLUE, look.ORANGE, look.GREEN)
Row = dict[str, Any]


def picture(
    name: str,
    runs: list[Row],
    ticks: list[Row],
    left_out: float,
    quick: bool,
    weights: Tensor | None = None,
) -> str:
    """Estimate and distance over steps, one against the other, and what bounds the critic:
    weights [seeds, n] in units of their bound, or the slopes as the runs tell them."""
    figure, (over, against, bounds) = drawing.sheet(
        f"{name}: the critic's estimate and the distance to held-out digits",
        f"digits, {len(runs)} seeds; dashed: FID, at the scale on the right; pale: the first tenth",
        (
            "Estimate (left), FID (right)",
            "One against the other",
            "The critic's weights" if weights is not None else "Slopes between real and fake",
        ),
        right=0.97,
    )
    distance = over.twinx()
    look.calm(distance)
    distance.grid(visible=False)
    for run, color in zip(runs, COLORS, strict=False):
        own = [tick for tick in ticks if tick["seed"] == run["seed"]]
        steps, estimate, fid = ([t[key] for t in own] for key in ("steps", "estimate", "fid"))
        first = int(np.ceil(left_out * len(own)))
        for part, alpha in ((slice(0, first + 1), 0.3), (slice(first, None), 1.0)):
            style = {"color": color, "alpha": alpha}
            over.plot(steps[part], estimate[part], linewidth=2, **style)
            distance.plot(steps[part], fid[part], linewidth=1.6, dashes=(3, 2), **style)
        against.plot(fid[first:], estimate[first:], "o", color=color, markersize=5, alpha=0.75)
    over.set_yscale("log")
    distance.set_yscale("log")
    against.set(xscale="log", yscale="log")
    plain_logs(over.yaxis, distance.yaxis, against.xaxis, against.yaxis)
    drawing.across(over, "generator steps")
    drawing.across(against, "FID (across), estimate (up)")
    if weights is None:
        draw_slopes(bounds, runs)
    else:
        draw_weights(bounds, weights)
    saved = drawing.save(figure, f"claim-{name}", quick)
    with Image.open(ROOT.parent / saved) as image:  # few colours: a third of the bytes
        few = image.convert("RGB").quantize(64)
    few.save(ROOT.parent / saved, optimize=True)
    return saved


def plain_logs(*axes: Any) -> None:
    """Few and plain numbers on logarithmic axes."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    for axis in axes:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def draw_slopes(axes: Any, runs: list[Row]) -> None:
    """A line from the 10% to the 90% quantile for each seed, a dot at its mean."""
    axes.axvspan(0.8, 1.2, color=look.RULE, linewidth=0)
    for run, color in zip(runs, COLORS, strict=False):
        line = [run["slope_p10"], run["slope_p90"]]
        axes.plot(line, [run["seed"]] * 2, color=color, linewidth=3)
        axes.plot(run["slope_mean"], run["seed"], "o", color=color, markersize=9)
    axes.set_yticks([run["seed"] for run in runs], [f"seed {run['seed']}" for run in runs])
    axes.set_ylim(len(runs) - 0.5, -0.5)
    axes.set_xlim(0, 2)
    drawing.across(axes, "gradient norm, 10% to 90% (grey: 1 ± 0.2)")


def draw_weights(axes: Any, weights: Tensor) -> None:
    edges = np.linspace(-1, 1, 41)
    for mine, color in zip(weights, COLORS, strict=False):
        counts = np.histogram(mine.numpy(), edges)[0] / mine.numel()
        axes.stairs(counts, edges, color=color, linewidth=2)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    drawing.across(axes, "weight, in units of the bound")
