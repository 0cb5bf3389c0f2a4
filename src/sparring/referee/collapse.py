"""Mode collapse: many latents, one sample; and the part of it that leaves some modes out."""

from __future__ import annotations

from collections.abc import Sequence

from sparring.referee.facts import Facts
from sparring.referee.finding import Finding
from sparring.referee.look import Look
from sparring.referee.series import is_coming, latest, progress

# Two generated samples are so near each other, as a share of how far real ones are: healthy
# generators of blurred digits are above 0.45, once they have learned anything.
SAME, ALIKE = 0.25, 0.42
# Entropy of the classes over that of real samples: below the first nearly all are of one or two
# of ten, below the second about half of the classes are missing.
ONE_CLASS, FEW_CLASSES = 0.35, 0.6
FROM, PARTLY_FROM = 0.2, 0.3  # of the run: every generator starts by making one thing
LOOKS, LONGER, HOPELESS = 3, 6, 8  # in a row
RISING, AT_LAST = 0.03, 0.9  # over the longer of them; the share of the run that leaves no time


def complete(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """All samples are nearly the same, or nearly all of one class."""
    recent = latest(looks, LOOKS)
    if not recent or progress(facts, recent[0]) < FROM or not all(map(_is_one, recent)):
        return None
    if is_coming(facts, looks):
        return None
    known = latest(looks, HOPELESS)
    lost = bool(known) and all(map(_is_one, known)) and progress(facts, known[-1]) > 0.5
    return Finding(
        "mode-collapse",
        "fatal" if lost else "warning",
        recent[0].step,
        _told(recent[-1]),
        "lower the generator's rate, add a penalty (penalties=[{name: r1, weight: 0.1}]), or let "
        "the discriminator see several samples at once (discriminator.minibatch=stddev)",
        _keys(facts),
        recent[-1].step,
    )


def partial(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """Samples are less diverse than real ones, or some classes or modes are missing."""
    recent = latest(looks, LOOKS)
    if not recent or progress(facts, recent[0]) < PARTLY_FROM or all(map(_is_one, recent)):
        return None
    if not all(map(_is_few, recent)) or is_coming(facts, looks):
        return None
    if progress(facts, recent[-1]) < AT_LAST and _mends(latest(looks, LONGER)):
        return None
    return Finding(
        "partial-collapse",
        "warning",
        recent[0].step,
        _told(recent[-1]),
        "let the discriminator see several samples at once (discriminator.minibatch=stddev or "
        "packing=2), add a penalty, or lower the generator's rate",
        _keys(facts),
        recent[-1].step,
    )


def _mends(looks: Sequence[Look]) -> bool:
    """Whether diversity and evenness still rise: a generator learns one mode after the other."""
    if not looks:
        return True
    first, last = looks[0], looks[-1]
    risen = max(_diversity(last) - _diversity(first), _evenness(last) - _evenness(first))
    return risen > RISING


def _keys(facts: Facts) -> dict[str, object]:
    keys: dict[str, object] = facts.rate_times("generator", 1 / 3)
    if not facts.penalized:
        keys["penalties"] = [{"name": "r1", "weight": 0.1}]
    return keys


def _is_one(look: Look) -> bool:
    return _diversity(look) < SAME or _evenness(look) < ONE_CLASS


def _is_few(look: Look) -> bool:
    return _diversity(look) < ALIKE or _evenness(look) < FEW_CLASSES


def _diversity(look: Look) -> float:
    """The larger one, of the generator now or averaged."""
    known = [one for one in (look.diversity, look.diversity_average) if one is not None]
    return max(known, default=1.0)


def _evenness(look: Look) -> float:
    return 1.0 if look.entropy is None else look.entropy


def _told(look: Look) -> str:
    words = f"two samples differ {_diversity(look):.0%} as much as two real ones do"
    if look.shares and look.shares_real:
        missing = sum(
            share < real / 5 for share, real in zip(look.shares, look.shares_real, strict=True)
        )
        words += f"; {max(look.shares):.0%} are of one kind of {len(look.shares)}"
        words += f", {missing} are missing or rare" if missing else ""
    return words
