"""What each metric sees of a fault of rising strength, and to what it is blind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import drawing
from benchmarks.drawing import look
from benchmarks.metrics.clothes import WORDS, clothes
from benchmarks.metrics.faults import OF_IMAGES, OF_VECTORS, Fault, Labelled, Real
from sparring.data import Dataset, open_data
from sparring.metrics import METRICS, Comparison
from sparring.metrics.features import Extractor, find_extractor
from sparring.metrics.modes import nearest_modes
from sparring.recipe import Data

COUNT, REFERENCE, TRAIN = 1000, 2000, 4000
CLEAN, DRAWS = 10, 3  # of samples without a fault, and of each strength
SEEN = 3.0  # standard deviations of the clean draws
MONOTONIC = 0.9
ON_BOTH = ("fid", "kid", "precision", "recall", "density", "coverage", "two-sample", "lpips",
           "memorization")  # fmt: skip
ON_IMAGES = (*ON_BOTH, "is", "cas")
ON_VECTORS = (*ON_BOTH, "wasserstein", "moments", "modes")

Row = dict[str, Any]
Score = Callable[[Labelled], dict[str, float]]


def measure(quick: bool) -> Row:
    """Real pictures of clothes."""
    found = clothes()
    every = torch.arange(len(found.images))
    train, real, pool = every[:TRAIN], every[TRAIN:][:REFERENCE], every[TRAIN + REFERENCE :]
    pictures = Labelled(found.images, found.labels)
    samples = Real(pictures.at(pool), pictures.at(train), COUNT)
    dataset = found.dataset(slice(0, TRAIN), slice(TRAIN, TRAIN + REFERENCE))
    of_real, of_train = found.features[real], found.features[train]
    score = scores(ON_IMAGES, found.extractor, of_real, of_train, dataset)
    return results("sensitivity", samples, OF_IMAGES, ON_IMAGES, score, quick) | {
        "settings": settings(quick, OF_IMAGES) | WORDS
    }


def measure_vectors(quick: bool) -> Row:
    """Points of the 25 Gaussians, where modes are known."""
    grid = open_data(Data(name="grid"))
    modes, _ = nearest_modes(grid.values, grid)
    extractor = find_extractor("samples", grid)
    order = torch.randperm(len(grid.values), generator=torch.Generator().manual_seed(3))
    train, real, pool = order[:TRAIN], order[TRAIN:][:REFERENCE], order[TRAIN + REFERENCE :]
    points = Labelled(grid.values, modes)
    samples = Real(points.at(pool), points.at(train), COUNT)
    of_real, of_train = (extractor(grid.values[rows]) for rows in (real, train))
    score = scores(ON_VECTORS, extractor, of_real, of_train, grid)
    return results("sensitivity-vectors", samples, OF_VECTORS, ON_VECTORS, score, quick) | {
        "settings": settings(quick, OF_VECTORS) | {"data": "grid: 25 Gaussians in the plane"}
    }


def settings(quick: bool, faults: dict[str, Fault]) -> Row:
    return {
        "samples": {"generated": COUNT, "real": REFERENCE, "training": TRAIN},
        "draws": {"without a fault": CLEAN, "of each strength": 1 if quick else DRAWS},
        "strengths": {name: {fault.words: fault.strengths} for name, fault in faults.items()},
        "shift": "worsening of the mean, in standard deviations of a draw without a fault",
        "seen": f"a shift of at least {SEEN:g}",
        "spearman": "of the strength (0: no fault) and how bad the value is, over all draws",
    }


def scores(
    metrics: tuple[str, ...],
    extractor: Extractor,
    real: Tensor,
    train: Tensor,
    dataset: Dataset,
) -> Score:
    """A function of samples that gives the value of each metric."""
    kept: dict[str, Any] = {}

    def score(made: Labelled) -> dict[str, float]:
        fake = extractor(made.samples)
        comparison = Comparison(
            real,
            fake,
            made.samples,
            dataset,
            extractor.logits(fake) if extractor.classify else None,
            train=train,
            held_out=real,
            labels=made.labels,
            split="test",
            extractor=extractor,
            kept=kept,
        )
        return {name: METRICS[name].function(comparison).value for name in metrics}

    return score


def results(
    name: str,
    samples: Real,
    faults: dict[str, Fault],
    metrics: tuple[str, ...],
    score: Score,
    quick: bool,
) -> Row:
    """Values, shifts and ranks of every metric under every fault."""
    draw = torch.Generator().manual_seed(4)
    clean = [score(samples.some(draw)) for _ in range(3 if quick else CLEAN)]
    values: dict[str, list[list[dict[str, float]]]] = {}
    for kind, fault in faults.items():
        values[kind] = [
            [score(fault.apply(samples, strength, draw)) for _ in range(1 if quick else DRAWS)]
            for strength in fault.strengths
        ]
        print(kind, flush=True)
    shifts = {
        metric: {kind: shifts_of(metric, clean, found) for kind, found in values.items()}
        for metric in metrics
    }
    ranks = [
        {"metric": metric}
        | {kind: spearman(metric, clean, found) for kind, found in values.items()}
        for metric in metrics
    ]
    verdicts = [
        {"metric": row["metric"]}
        | {kind: verdict(shifts[row["metric"]][kind], row[kind]) for kind in values}
        for row in ranks
    ]
    return {
        "verdicts": verdicts,
        "spearman": ranks,
        "values": value_rows(metrics, faults, clean, values),
        "shifts": shifts,
        "outcome": outcome(verdicts),
        "picture": picture(name, faults, shifts, quick),
    }


def badness(metric: str, value: float) -> float:
    return -value if METRICS[metric].higher_is_better else value


def shifts_of(
    metric: str, clean: list[dict[str, float]], found: list[list[dict[str, float]]]
) -> list[float]:
    """How much worse each strength is, in deviations of the clean draws."""
    before = np.array([badness(metric, one[metric]) for one in clean])
    # A metric that always gives the same value (all modes) has none: one unit then.
    scale = before.std(ddof=1) or 1.0
    worse = [np.mean([badness(metric, one[metric]) for one in draws]) for draws in found]
    return [round(float((mean - before.mean()) / scale), 2) for mean in worse]


def spearman(
    metric: str, clean: list[dict[str, float]], found: list[list[dict[str, float]]]
) -> float:
    """The rank correlation of strength and badness, ties shared."""
    levels = [clean[: len(found[0])], *found]
    strength = np.repeat(range(len(levels)), [len(level) for level in levels])
    worse = [badness(metric, one[metric]) for level in levels for one in level]
    a, b = ranked(strength), ranked(np.array(worse))
    if not a.std() or not b.std():
        return 0.0
    return round(float(np.corrcoef(a, b)[0, 1]), 3)


def ranked(values: np.ndarray) -> np.ndarray:
    """Mean ranks."""
    return np.array([(values < v).sum() + (values == v).sum() / 2 for v in values])


def verdict(shifts: list[float], rank: float) -> str:
    """Whether a metric sees a fault, from which strength on, and whether it keeps rising."""
    seen = [level for level, shift in enumerate(shifts, 1) if shift >= SEEN]
    better = [level for level, shift in enumerate(shifts, 1) if shift <= -SEEN]
    if seen and not better:
        steady = "" if rank >= MONOTONIC else ", not steadily"
        return f"from {seen[0]}{steady}"
    if better and not seen:
        return f"better from {better[0]}"
    return "both ways" if seen else "blind"


def value_rows(
    metrics: tuple[str, ...],
    faults: dict[str, Fault],
    clean: list[dict[str, float]],
    values: dict[str, list[list[dict[str, float]]]],
) -> list[Row]:
    """Means of every metric at every strength."""

    def means(draws: list[dict[str, float]]) -> Row:
        return {metric: float(np.mean([one[metric] for one in draws])) for metric in metrics}

    rows = [{"fault": "none", "strength": 0.0} | means(clean)]
    for kind, fault in faults.items():
        for strength, draws in zip(fault.strengths, values[kind], strict=True):
            rows.append({"fault": kind, "strength": strength} | means(draws))
    return rows


def outcome(verdicts: list[Row]) -> str:
    """Which metrics are blind to which fault."""
    said = []
    for kind in [key for key in verdicts[0] if key != "metric"]:
        sighted = [row["metric"] for row in verdicts if row[kind].startswith("from")]
        praised = [row["metric"] for row in verdicts if row[kind].startswith("better")]
        words = f"{kind} is seen by {', '.join(sighted) or 'none'}"
        said.append(words + (f" and praised by {', '.join(praised)}" if praised else ""))
    return f"Of {len(verdicts)} metrics: {'; '.join(said)}."


def picture(
    name: str, faults: dict[str, Fault], shifts: dict[str, dict[str, list[float]]], quick: bool
) -> str:
    """A row a metric, a block a fault: worse in orange, better in blue, white unseen."""
    from matplotlib.colors import LinearSegmentedColormap

    figure, (axes,) = drawing.sheet(
        "What each metric sees of a fault that grows",
        "orange: the metric says worse, blue: better; pale: within chance; in each block from "
        "weak to strong",
        ("",),
        right=0.98,
        left=0.12,
    )
    rows = np.array([[s for kind in faults for s in found[kind]] for found in shifts.values()])
    # Within chance is pale; ten and a thousand deviations can still be told apart.
    shades = np.sign(rows) * np.log10(1 + np.abs(rows) / SEEN * 2)
    colors = LinearSegmentedColormap.from_list("", [look.BLUE, "#ffffff", look.VERMILION])
    axes.imshow(shades, cmap=colors, vmin=-2.2, vmax=2.2, aspect="auto")
    width = rows.shape[1] // len(faults)
    for block in range(1, len(faults)):
        axes.axvline(block * width - 0.5, color="white", linewidth=5)
    for line in range(1, len(rows)):
        axes.axhline(line - 0.5, color="white", linewidth=1.5)
    axes.grid(visible=False)
    axes.xaxis.tick_top()
    axes.set_xticks([width * (i + 0.5) - 0.5 for i in range(len(faults))], list(faults))
    axes.set_yticks(range(len(rows)), list(shifts))
    axes.tick_params(labelsize=10.5, labelcolor=look.INK)
    axes.spines["bottom"].set_visible(False)
    return drawing.save(figure, f"metric-{name}", quick)
