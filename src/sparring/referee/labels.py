"""Labels that say nothing of the samples, or that the generator does not heed."""

from __future__ import annotations

from collections.abc import Sequence

from sparring.referee.facts import Facts
from sparring.referee.finding import Finding
from sparring.referee.look import Look
from sparring.referee.series import holds, latest, progress

LOOKS = 3  # in a row
HEEDED = 0.5  # of how often neighbours of real samples have their label
CHANCE = 2.0  # times one class among all: labels that samples do not show
FROM = 0.4  # of the run


def labels_ignored(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """Samples are not of the class that was asked for, or labels of real ones say nothing."""
    recent = latest(looks, LOOKS)
    if not facts.conditional or facts.classes < 2:
        return None
    if not holds(recent, lambda look: look.agreement is not None) or not recent:
        return None
    look = recent[-1]
    of_real, of_fake = look.agreement_real or 0.0, look.agreement or 0.0
    if of_real < CHANCE / facts.classes:
        evidence = (
            f"neighbours of a real sample have its label in {of_real:.0%}, which is chance among "
            f"{facts.classes} classes: labels do not belong to their samples"
        )
        advice = "check that labels are in the order of the samples"
    elif progress(facts, recent[0]) >= FROM and holds(recent, _is_deaf):
        evidence = (
            f"{of_fake:.0%} of samples are of the class that was asked for, of real ones "
            f"{of_real:.0%} are of their own"
        )
        advice = "check the labels, or set discriminator.condition=projection"
    else:
        return None
    return Finding(
        "labels-ignored",
        "warning",
        recent[0].step,
        evidence,
        advice,
        {"discriminator.condition": None},
        look.step,
    )


def _is_deaf(look: Look) -> bool:
    return (look.agreement or 0.0) < HEEDED * (look.agreement_real or 0.0)
