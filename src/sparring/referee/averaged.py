"""The averaged generator, which is what is shipped: far behind; and the good news of it."""

from __future__ import annotations

from collections.abc import Sequence

from sparring.referee.facts import Facts
from sparring.referee.finding import Finding
from sparring.referee.look import Look
from sparring.referee.series import holds, latest, progress

LOOKS = 3  # in a row
BEHIND, BY = 2.0, 0.1  # the average's distance: so many times the generator's, and so much more
FROM = 0.4  # of the run
ERRORS = 2.0  # standard errors around ½


def ema_behind(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """The averaged generator is farther from the data than the one it averages."""
    recent = latest(looks, LOOKS)
    if not recent or progress(facts, recent[0]) < FROM or not holds(recent, _is_behind):
        return None
    look = recent[-1]
    half_life = max(1, facts.steps * facts.batch_size // 20)
    return Finding(
        "ema-behind",
        "warning",
        recent[0].step,
        f"the averaged generator is {look.distance_average:.2f} from the data, the generator "
        f"itself {look.distance:.2f}",
        f"set ema.half_life={half_life} or less, or ema.ramp_up=0.05",
        {"ema.half_life": half_life, "ema.ramp_up": 0.05},
        look.step,
    )


def _is_behind(look: Look) -> bool:
    if look.distance is None or look.distance_average is None:
        return False
    return look.distance_average > BEHIND * look.distance + BY


def near_equilibrium(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """Neither the discriminator nor a test by neighbours can tell samples from unseen real ones."""
    recent = latest(looks, 2)
    if not holds(recent, lambda look: _is_alike(look) and _is_fooled(look)):
        return None
    look = recent[-1]
    error = look.two_sample_error or 0.0
    return Finding(
        "near-equilibrium",
        "info",
        recent[0].step,
        f"a two-sample test tells generated from unseen real samples in {look.two_sample:.1%}, "
        f"which is ½ within twice its error of {error:.1%}"
        + ("" if look.separation is None else f"; the discriminator in {look.separation:.1%}"),
        "good news: stop here, or train on for finer detail than the test sees",
        {},
        look.step,
    )


def _is_alike(look: Look) -> bool:
    """The test's accuracy is ½ within its error."""
    if look.two_sample is None or look.two_sample_error is None:
        return False
    return abs(look.two_sample - 0.5) <= ERRORS * look.two_sample_error


def _is_fooled(look: Look) -> bool:
    """So is the discriminator's where there is one: an AUC of 128 pairs has an error of 0.036."""
    return look.separation is None or abs(look.separation - 0.5) <= ERRORS * 0.036
