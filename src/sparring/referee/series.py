"""What findings share: parts of a series of looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from sparring.referee.facts import Facts
from sparring.referee.look import Look

# Relative energy distance (see Look) beyond which samples are not like the data at all. Short
# healthy runs of all recipes end below half of it.
FAR = 0.3


def seen(looks: Sequence[Look]) -> list[Look]:
    """The looks at what the generator makes."""
    return [look for look in looks if look.distance is not None]


def latest(looks: Sequence[Look], count: int) -> list[Look]:
    """The last `count` looks, none where there are fewer."""
    known = seen(looks)
    return known[-count:] if len(known) >= count else []


def progress(facts: Facts, look: Look) -> float:
    """The share of the run that was done; all of it where its length is not known."""
    return look.step / facts.steps if facts.steps else 1.0


def values(looks: Sequence[Look], of: Callable[[Look], float | None]) -> list[float]:
    """What is known of a figure, in order."""
    found = [of(look) for look in looks]
    return [value for value in found if value is not None]


def holds(looks: Sequence[Look], told: Callable[[Look], bool]) -> bool:
    """Whether it is so at every one of the looks, of which there are some."""
    return bool(looks) and all(told(look) for look in looks)


def middle(found: Sequence[float]) -> float:
    """The median, 0 of nothing."""
    return median(found) if found else 0.0


def nearest(look: Look) -> float:
    """The smaller distance to the data, of the generator now or averaged."""
    both = [one for one in (look.distance, look.distance_average) if one is not None]
    return min(both, default=0.0)


def is_far(look: Look) -> bool:
    """Whether what is made is far from the data, averaged or not."""
    return nearest(look) > FAR
