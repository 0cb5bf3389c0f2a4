"""How often the 95% intervals of KID and FID hold the truth, over many trials."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import common, drawing
from benchmarks.drawing import look
from benchmarks.metrics.clothes import WORDS, clothes
from sparring.metrics import METRICS, Comparison
from sparring.metrics.kid import _kernel

POOL = 15_000
TRIALS = 300
NORMAL = 1.96
CLASSES = 10
WANTED, TOLERANCE = 0.95, 0.03

# Shares of the classes among the generated pictures, in words.
EQUAL = torch.full((CLASSES,), 1 / CLASSES, dtype=torch.float64)
DISTRIBUTIONS = {
    "equal": EQUAL,
    "one class half as often": torch.tensor([0.5] + [1.0] * 9).double() / 9.5,
    "one class missing": torch.tensor([0.0] + [1.0] * 9).double() / 9,
    "five classes missing": torch.tensor([0.0] * 5 + [1.0] * 5).double() / 5,
}
SETTINGS = (
    ("equal", 250, 250),
    ("equal", 500, 2000),
    ("equal", 1000, 1000),
    ("one class half as often", 1000, 1000),
    ("one class missing", 1000, 1000),
    ("five classes missing", 1000, 1000),
)

Row = dict[str, Any]


def measure(quick: bool) -> Row:
    """Trials drawn with replacement from one pool, so that the true kernel distance is known."""
    found = clothes()
    features, labels = found.features[:POOL], found.labels[:POOL]
    if quick:
        features, labels = features[:2000], labels[:2000]
    classes = [features[labels == k] for k in range(CLASSES)]
    means = class_kernels(classes)
    trials = 20 if quick else TRIALS
    rows = []
    for name, of_real, of_fake in SETTINGS[: 3 if quick else None]:
        rows.append(row(name, of_real, of_fake, classes, means, trials))
        print(rows[-1], flush=True)
    worst = [abs(r["kid_coverage"] - WANTED) for r in rows if r["distribution"] == "equal"]
    return {
        "settings": WORDS
        | {
            "trials": trials,
            "pool": f"{len(features):,} pictures, drawn from with replacement, class by class",
            "interval": "the value and 1.96 standard errors on both sides",
            "kid_true": "the kernel distance of the two distributions over the pool, exactly",
            "fid_expected": "the mean over the trials: at these numbers of samples, bias included",
        },
        "rows": rows,
        "goals": [
            common.goal(
                "KID's interval holds 0 for equal distributions, farthest from 95%",
                round(max(worst), 4),
                TOLERANCE,
                at_least=False,
            )
        ],
        "outcome": outcome(rows),
        "picture": picture(rows, quick),
    }


def class_kernels(classes: list[Tensor]) -> Tensor:
    """The mean kernel [K, K] of a picture of one class and one of another, both from the pool."""
    means = torch.zeros(len(classes), len(classes), dtype=torch.float64)
    for i, one in enumerate(classes):
        for j, other in enumerate(classes[: i + 1]):
            means[i, j] = means[j, i] = _kernel(one, other).mean()
    return means


def row(
    name: str, of_real: int, of_fake: int, classes: list[Tensor], means: Tensor, trials: int
) -> Row:
    """How often both intervals hold what they should, at one setting."""
    shares = DISTRIBUTIONS[name]
    apart = EQUAL - shares
    truth = (apart @ means @ apart).item()
    draw = torch.Generator().manual_seed(of_real + of_fake)
    kids, fids = [], []
    for _ in range(trials):
        real, fake = drawn(classes, EQUAL, of_real, draw), drawn(classes, shares, of_fake, draw)
        comparison = Comparison(real, fake, fake)
        for store, metric in ((kids, "kid"), (fids, "fid")):
            estimate = METRICS[metric].function(comparison)
            store.append((estimate.value, estimate.error))
    kid, fid = np.array(kids), np.array(fids)
    expected = float(fid[:, 0].mean())
    return {
        "distribution": name,
        "real": of_real,
        "generated": of_fake,
        "kid_true": truth,
        "kid_mean": float(kid[:, 0].mean()),
        "kid_std": float(kid[:, 0].std(ddof=1)),
        "kid_error": float(np.sqrt((kid[:, 1] ** 2).mean())),
        "kid_coverage": covered(kid, truth),
        "fid_expected": expected,
        "fid_std": float(fid[:, 0].std(ddof=1)),
        "fid_error": float(np.sqrt((fid[:, 1] ** 2).mean())),
        "fid_coverage": covered(fid, expected),
    }


def drawn(classes: list[Tensor], shares: Tensor, count: int, draw: torch.Generator) -> Tensor:
    """Features of `count` independent draws: a class by its share, a picture of it."""
    counts = torch.multinomial(shares, count, replacement=True, generator=draw).bincount(
        minlength=CLASSES
    )
    parts = [
        pictures[torch.randint(len(pictures), (int(n),), generator=draw)]
        for pictures, n in zip(classes, counts, strict=True)
    ]
    together = torch.cat(parts)
    return together[torch.randperm(count, generator=draw)]


def covered(estimates: np.ndarray, truth: float) -> float:
    """The share of intervals [value, error] that hold the truth."""
    return float((abs(estimates[:, 0] - truth) <= NORMAL * estimates[:, 1]).mean())


def outcome(rows: list[Row]) -> str:
    """The ranges of coverage."""

    def between(key: str, chosen: list[Row]) -> str:
        values = [row[key] for row in chosen]
        return f"{min(values):.1%} to {max(values):.1%}"

    equal = [row for row in rows if row["distribution"] == "equal"]
    others = [row for row in rows if row["distribution"] != "equal"] or equal
    return (
        f"KID's interval holds 0 for equal distributions in {between('kid_coverage', equal)} of "
        f"the trials and the true distance of different ones in {between('kid_coverage', others)}. "
        f"FID's holds its own mean at these numbers in {between('fid_coverage', equal)} where "
        f"distributions are equal and in {between('fid_coverage', others)} where they differ."
    )


def picture(rows: list[Row], quick: bool) -> str:
    """Coverage at each setting."""
    figure, (axes,) = drawing.sheet(
        "How often a 95% interval holds the truth",
        f"{TRIALS} trials each; grey: 95 ± 3%; FID's truth is its own mean at these numbers",
        ("KID blue, FID orange",),
        right=0.97,
        left=0.28,
    )
    axes.axvspan(WANTED - TOLERANCE, WANTED + TOLERANCE, color=look.MUTED, alpha=0.15, linewidth=0)
    for place, row in enumerate(rows):
        axes.plot([row["kid_coverage"]], [place], "o", color=look.BLUE, markersize=9)
        axes.plot([row["fid_coverage"]], [place], "s", color=look.ORANGE, markersize=8)
    names = [f"{r['distribution']}, {r['real']} : {r['generated']}" for r in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    drawing.across(axes, "share of intervals that hold it")
    return drawing.save(figure, "metric-intervals", quick)
