"""The averaged generator, which is what is shipped: far behind; and the good news of it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from sparring.referee.facts import Facts
from sparring.referee.finding import Finding
from sparring.referee.look import Look
from sparring.referee.series import holds, latest, nearest, progress, values

LOOKS = 3  # in a row
BEHIND, BY = 2.0, 0.1  # the average's distance: so many times the generator's, and so much more
FROM = 0.4  # of the run
ERRORS = 2.0  # standard errors
# Of the AUC of 128 pairs, and of the energy distance of 512 numbers, where both sides are alike.
ERROR_OF_PAIRS, BY_CHANCE = 0.036, 0.002


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
    """No test can tell samples from unseen real ones: neighbours, distance, the discriminator.

    Each figure is the mean of the last looks, since one look is ½ by chance, or not.
    """
    recent = latest(looks, LOOKS)
    accuracies = values(recent, lambda look: look.two_sample)
    if not recent or len(accuracies) < LOOKS:
        return None
    accuracy, error = fmean(accuracies), recent[-1].two_sample_error or 0.0
    distance = fmean([nearest(look) for look in recent])
    if abs(accuracy - 0.5) > ERRORS * error or distance > ERRORS * BY_CHANCE:
        return None
    told = values(recent, lambda look: look.separation)
    if told and abs(fmean(told) - 0.5) > ERRORS * ERROR_OF_PAIRS:
        return None
    return Finding(
        "near-equilibrium",
        "info",
        recent[0].step,
        f"a two-sample test tells generated from unseen real samples in {accuracy:.1%}, "
        f"which is ½ within twice its error of {error:.1%}"
        + (f"; the discriminator in {fmean(told):.1%}" if told else ""),
        "good news: stop here, or train on for finer detail than the test sees",
        {},
        recent[-1].step,
    )
