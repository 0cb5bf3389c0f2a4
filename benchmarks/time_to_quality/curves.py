"""What the runs say: who reaches which distance after how long, and the curves."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import common, drawing
from benchmarks.drawing import look
from benchmarks.time_to_quality.runs import SETTINGS, Run

Row = dict[str, Any]
DEFAULT = "digits"
COLORS = {
    "digits": look.VERMILION,
    "mlp-mnist": look.ORANGE,
    "dcgan": look.BLUE,
    "sngan": look.GREEN,
    "r3gan": look.PURPLE,
    "tutorial-mlp": look.INK,
    "tutorial-dcgan": look.MUTED,
}
# How many times sooner the default recipe is to be as good as a tutorial is in the end.
GOALS = {"tutorial-mlp": 60.0, "tutorial-dcgan": 10.0}
WORDS = {"tutorial-mlp": "tutorial's MLP", "tutorial-dcgan": "tutorial's DCGAN"}


def result(data: str, runs: list[Run]) -> dict[str, Any]:
    """Runs, seconds to each bound, and goals (Fashion-MNIST, where the bounds are set)."""
    ends = {who: end_of(runs, who) for who in GOALS if of(runs, who)}
    bounds = {WORDS[who]: end["fid"] for who, end in ends.items()}
    bounds |= {f"FID {level:g}": level for level in SETTINGS[data].levels}
    whos = list(dict.fromkeys(one["who"] for one in runs))
    reached = [{"who": who, "seeds": len(of(runs, who))} | {
        name: said(times_to(of(runs, who), bound)) for name, bound in bounds.items()
    } for who in whos]  # fmt: skip
    found: dict[str, Any] = {
        "bounds": [{"bound": name, "fid": round(bound, 2)} for name, bound in bounds.items()],
        "reached": reached,
        "runs": runs,
    }
    if data == "fashion-mnist":
        found["goals"] = [goal(runs, who, end) for who, end in ends.items() if of(runs, DEFAULT)]
    return found


def of(runs: list[Run], who: str) -> list[Run]:
    return [one for one in runs if one["who"] == who]


def end_of(runs: list[Run], who: str) -> dict[str, float]:
    """How good a program is in the end, and after how long: medians over seeds."""
    own = of(runs, who)
    return {key: float(np.median([one[key] for one in own])) for key in ("fid", "seconds")}


def times_to(runs: list[Run], bound: float) -> list[float]:
    """Seconds of each run until a look is at the bound or below; infinite where none is."""
    return [
        min((one["seconds"] for one in run["looks"] if one["fid"] <= bound), default=np.inf)
        for run in runs
    ]


def said(times: list[float]) -> str:
    """The median over seeds with the fastest and slowest."""
    middle, low, high = float(np.median(times)), min(times), max(times)
    if not np.isfinite(middle):
        return "not reached" if not np.isfinite(low) else f"{sum(np.isfinite(times))} seed only"
    return f"{middle:.1f} s ({low:.1f}-{high:.1f})" if np.isfinite(high) else f"{middle:.1f} s"


def goal(runs: list[Run], who: str, end: dict[str, float]) -> Row:
    """How many times sooner the default recipe is as good."""
    sooner = end["seconds"] / float(np.median(times_to(of(runs, DEFAULT), end["fid"])))
    what = f"times sooner than the {WORDS[who]}"
    return common.goal(what, round(sooner, 1), GOALS[who], at_least=True)


def picture(data: str, runs: list[Run], quick: bool) -> str:
    """Distance over seconds, both on logarithmic scales: each seed thin, their middle thick."""
    from matplotlib.ticker import LogLocator

    figure, (axes,) = drawing.sheet(
        f"Time to quality on {data}",
        "FID of 2,000 samples over seconds of training; thin: each seed, thick: their median",
        [""],
        right=0.86,
    )
    axes.set(xscale="log", yscale="log")
    ends = []
    for who in dict.fromkeys(one["who"] for one in runs):
        own = of(runs, who)
        for one in own:
            axes.plot(*points(one), color=COLORS[who], linewidth=0.8, alpha=0.45)
        seconds, fid = middle(own)
        axes.plot(seconds, fid, color=COLORS[who], linewidth=2.2)
        ends.append((who, COLORS[who], fid[-1]))
    drawing.across(axes, "seconds of training")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(lambda value, _: "")
    drawing.name_ends(axes, ends)
    return drawing.save(figure, f"time-to-quality-{data}", quick)


def points(one: Run) -> tuple[list[float], list[float]]:
    looks = one["looks"]
    return [at["seconds"] for at in looks], [at["fid"] for at in looks]


def middle(runs: list[Run]) -> tuple[np.ndarray, np.ndarray]:
    """The median curve where all seeds have one, between looks on a line in the logarithms."""
    logs = [[np.log(side) for side in points(one)] for one in runs]
    first, last = max(x[0] for x, _ in logs), min(x[-1] for x, _ in logs)
    grid = np.linspace(first, max(last, first), 60)
    return np.exp(grid), np.exp(np.median([np.interp(grid, x, y) for x, y in logs], axis=0))


def show(data: str, runs: list[Run]) -> None:
    found = result(data, runs)
    for key in ("bounds", "reached", "goals"):
        if found.get(key):
            print(common.table(found[key], f"{data}: {key}"))
