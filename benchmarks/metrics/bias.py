"""FID and KID between two sets of real pictures: what is not 0 is bias."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import drawing
from benchmarks.drawing import look
from benchmarks.metrics.clothes import WORDS, clothes
from sparring.metrics import METRICS, Comparison

SIZES = (64, 128, 256, 512, 1024, 2048, 4096, 8192, 20_000)
MANY, FEW = 30, 4  # draws up to 2,048 samples a side, and above
FEATURES = 64

Row = dict[str, Any]


def measure(quick: bool) -> Row:
    """Several draws of two disjoint sets at each size; beside them Gaussian features."""
    found = clothes()
    draw = torch.Generator().manual_seed(1)
    rows = []
    for size in SIZES[:4] if quick else SIZES:
        fids, kids, gaussians = [], [], []
        for _ in range(2 if quick else MANY if size <= 2048 else FEW):
            order = torch.randperm(len(found.features), generator=draw)[: 2 * size]
            real, fake = found.features[order].chunk(2)
            fids.append(distance("fid", real, fake))
            kids.append(distance("kid", real, fake))
            drawn = torch.randn(2, size, FEATURES, generator=draw, dtype=torch.float64)
            gaussians.append(distance("fid", drawn[0], drawn[1]))
        rows.append(
            {
                "samples": size,
                "draws": len(fids),
                "fid": mean(fids),
                "fid_std": spread(fids),
                "fid_times_samples": mean(fids) * size,
                "kid": mean(kids),
                "kid_std": spread(kids),
                "gaussian_fid": mean(gaussians),
            }
        )
    return {
        "settings": WORDS
        | {
            "samples": "of each side; the two sets of a draw have no picture in common",
            "gaussian_fid": f"of {FEATURES} independent standard normal features",
            "classifier_accuracy": round(found.accuracy, 4),
        },
        "rows": rows,
        "outcome": outcome(rows),
        "picture": picture(rows, quick),
    }


def distance(name: str, real: Tensor, fake: Tensor) -> float:
    return METRICS[name].function(Comparison(real, fake, fake)).value


def mean(values: list[float]) -> float:
    return float(np.mean(values))


def spread(values: list[float]) -> float:
    return float(np.std(values, ddof=1))


def outcome(rows: list[Row]) -> str:
    """The bias at both ends, and how far KID is from 0."""
    first, last = rows[0], rows[-1]
    worst = max(abs(row["kid"]) * row["draws"] ** 0.5 / row["kid_std"] for row in rows)
    return (
        f"Between two sets of real pictures FID falls from {first['fid']:.3g} at "
        f"{first['samples']} samples a side to {last['fid']:.3g} at {last['samples']:,}. "
        f"The mean of KID is within {worst:.1f} standard errors of 0 at every size."
    )


def picture(rows: list[Row], quick: bool) -> str:
    """Both over the number of samples."""
    figure, (of_fid, of_kid) = drawing.sheet(
        "What FID says of two sets of real pictures depends on how many there are",
        f"equal distributions, {FEATURES} features; each point is the mean of several draws",
        ("FID: always above 0", "KID: about 0, the band is one standard deviation"),
        right=0.97,
    )
    sizes = np.array([row["samples"] for row in rows])
    fid, gaussian = ([row[key] for row in rows] for key in ("fid", "gaussian_fid"))
    of_fid.plot(sizes, fid, "o-", color=look.VERMILION, linewidth=2, markersize=5)
    of_fid.plot(sizes, gaussian, "o-", color=look.MUTED, linewidth=1.6, markersize=4)
    of_fid.set_yscale("log")
    middle = len(sizes) // 2
    drawing.name(of_fid, "Gaussian features", look.MUTED, sizes[middle], gaussian[middle] * 1.9)
    left = sizes[middle - 1]
    drawing.name(of_fid, "pictures", look.VERMILION, left, fid[middle - 1] / 2.2, "right")
    of_fid.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    kid, std = (np.array([row[key] for row in rows]) for key in ("kid", "kid_std"))
    of_kid.fill_between(sizes, kid - std, kid + std, color=look.BLUE, alpha=0.18, linewidth=0)
    of_kid.plot(sizes, kid, "o-", color=look.BLUE, linewidth=2, markersize=5)
    of_kid.axhline(0, color=look.MUTED, linewidth=0.8)
    for axes in (of_fid, of_kid):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        drawing.across(axes, "samples of each side")
    return drawing.save(figure, "metric-bias", quick)
