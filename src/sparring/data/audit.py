"""What is wrong with a data set, looked for before a GAN learns it.

The looks are our own small code: CleanVision finds the same kinds of problems, but brings pandas,
SciPy and PyWavelets along, knows neither splits nor zips, shards and arrays, and took several times
as long (docs/your-images.md).
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from sparring.data.decode import left_out
from sparring.data.looks import Look
from sparring.data.twins import Twins, near_twins, same_twins

EXAMPLES = 5
SHORTEST = 8  # pixels a side that can be trained at
LONG = 2.0  # long over short side from which more than half is cut away
FLAT = 2.0  # levels of 255: less contrast than that is no picture
SOFT = 0.25  # of the set's median sharpness
RARE = 0.1  # of the largest class


@dataclass(frozen=True)
class Problem:
    """One kind of problem: how many samples (or classes) have it, and all of their places."""

    code: str
    places: tuple[int, ...]
    examples: tuple[str, ...]

    def json(self) -> dict[str, object]:
        return {"code": self.code, "count": len(self.places), "examples": list(self.examples)}


@dataclass(frozen=True)
class Seen:
    """What was seen of a data set: a look at each readable image, and why others have none.

    `names` are those of all samples; `splits` and `labels` are of the readable ones, in order.
    """

    names: Sequence[str]
    looks: Mapping[int, Look]
    rejected: Mapping[int, str]
    size: int
    splits: Mapping[str, torch.Tensor]
    labels: Sequence[int]
    classes: tuple[str, ...]


def problems_of(seen: Seen) -> list[Problem]:
    """Every kind of problem that some image has, the worst kinds first."""
    found = [_problem(seen, code, places) for code, places in _alone(seen)]
    blank = set(next((one.places for one in found if one.code == "blank"), ()))
    pictures = {place: look for place, look in seen.looks.items() if place not in blank}
    same = same_twins({place: look.pixels for place, look in seen.looks.items()})
    near = near_twins({place: look.small for place, look in pictures.items()}, same)
    found += twin_problems(seen.names, list(seen.looks), seen.splits, same, near)
    found += rare_classes(seen.classes, seen.labels)
    return [one for one in found if one.places]


def _alone(seen: Seen) -> Iterator[tuple[str, list[int]]]:
    """What can be said of an image by itself, or against what is usual in its set."""
    looks = seen.looks
    yield "corrupt", sorted(seen.rejected)
    least = max(SHORTEST, seen.size / 2)
    yield "tiny", [i for i, look in looks.items() if min(look.width, look.height) < least]
    yield (
        "odd-shape",
        [
            i
            for i, look in looks.items()
            if max(look.width, look.height) > LONG * min(look.width, look.height)
        ],
    )
    blank = {i for i, look in looks.items() if look.contrast < FLAT}
    yield "blank", sorted(blank)
    sharp = {i: look.sharpness for i, look in looks.items() if i not in blank}
    usual = statistics.median(sharp.values()) if sharp else 0.0
    yield "blurred", [i for i, value in sharp.items() if value < SOFT * usual]


def _problem(seen: Seen, code: str, places: Sequence[int]) -> Problem:
    def told(place: int) -> str:
        name = seen.names[place]
        if code == "corrupt":
            return f"{name}: {left_out(seen.rejected[place])}"
        if code in ("tiny", "odd-shape"):
            return f"{name}: {seen.looks[place].width}x{seen.looks[place].height}"
        return name

    return Problem(code, tuple(places), tuple(map(told, places[:EXAMPLES])))


def twin_problems(
    names: Sequence[str],
    places: Sequence[int],
    splits: Mapping[str, torch.Tensor],
    same: Twins,
    near: Twins,
) -> list[Problem]:
    """Exact and near duplicates, and which held-out samples are among the training samples too.

    `places` are those of the samples that the splits count.
    """

    def shown(twins: Twins, sign: str) -> tuple[str, ...]:
        pairs = list(twins.items())[:EXAMPLES]
        return tuple(f"{names[place]} {sign} {names[first]}" for place, first in pairs)

    firsts = {place: same.get(place, place) for place in places}
    group = {place: near.get(first, first) for place, first in firsts.items()}
    trained = {group[places[i]]: places[i] for i in reversed(splits["train"].tolist())}
    held = sorted(places[i] for name in ("select", "test") for i in splits[name].tolist())
    leaked = {place: trained[group[place]] for place in held if group[place] in trained}
    return [
        Problem("exact-duplicate", tuple(same), shown(same, "=")),
        Problem("near-duplicate", tuple(near), shown(near, "~")),
        Problem("held-out-duplicate", tuple(leaked), shown(leaked, "~")),
    ]


def rare_classes(classes: tuple[str, ...], labels: Sequence[int]) -> list[Problem]:
    """Classes with less than a tenth of the samples of the largest."""
    counts = Counter(labels)
    if not classes or not counts:
        return []
    most = max(counts.values())
    rare = [i for i in range(len(classes)) if counts[i] < RARE * most]
    rare.sort(key=lambda index: counts[index])
    told = [f"{classes[i]}: {counts[i]:,}, the largest has {most:,}" for i in rare[:EXAMPLES]]
    return [Problem("class-imbalance", tuple(rare), tuple(told))]
