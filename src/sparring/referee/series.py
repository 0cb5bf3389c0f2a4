"""What findings share: parts of a series of looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from sparring.referee.facts import Facts
from sparring.referee.look import Look

# Relative energy distance (see Look) beyond which samples are not like the data: healthy runs of
# seconds end below it. Vectors are compared as they are, images by features that tell more apart.
FAR_IMAGES, FAR_VECTORS = 0.33, 0.05
COMES, YOUNG = 0.9, 0.6  # see `is_coming`


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


def far(facts: Facts) -> float:
    """The distance beyond which samples are unlike the data."""
    return FAR_IMAGES if facts.images else FAR_VECTORS


def is_far(facts: Facts) -> Callable[[Look], bool]:
    """Whether what is made is far from the data, averaged or not."""
    return lambda look: nearest(look) > far(facts)


def is_near(facts: Facts) -> Callable[[Look], bool]:
    """Whether it is so near that a flaw seen by other means can have done no harm."""
    return lambda look: nearest(look) < far(facts) / 2


def is_coming(facts: Facts, looks: Sequence[Look]) -> bool:
    """Whether samples still come nearer by themselves: in the first part of a run, and since half
    of its steps so far. Nearly every run begins with what looks like a failure."""
    known = seen(looks)
    if not known or progress(facts, known[-1]) >= YOUNG:
        return False
    earlier = [look for look in known if look.step <= known[-1].step / 2]
    return bool(earlier) and nearest(known[-1]) < COMES * nearest(earlier[-1])
