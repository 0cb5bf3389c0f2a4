"""What a discriminator or a generator knows by heart."""

from __future__ import annotations

from collections.abc import Sequence

from sparring.referee.facts import Facts
from sparring.referee.finding import Finding
from sparring.referee.look import Look
from sparring.referee.series import latest, middle

LOOKS = 3  # in a row
KNOWN = 0.85  # P(logit of a training sample > that of an unseen one): ½ where it knows none
COPIED = 0.25  # share nearer to a training image than all but 1% of unseen ones
FALLEN = 1.3  # times the best distance so far: samples get worse


def discriminator_overfitting(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """Training samples get higher logits than other real ones: it knows them by heart."""
    recent = latest(looks, LOOKS)
    if not recent or min(look.overfitting or 0.5 for look in recent) < KNOWN:
        return None
    best = min(look.distance_average or 0.0 for look in looks if look.distance is not None)
    now = middle([look.distance_average or 0.0 for look in recent])
    worse = now > FALLEN * best and now > 0.1
    share = middle([look.overfitting or 0.5 for look in recent])
    return Finding(
        "discriminator-overfitting",
        "warning" if worse else "info",
        recent[0].step,
        f"a training sample gets a higher logit than an unseen real one in {share:.0%} of pairs, "
        f"of {facts.train_size:,} training samples",
        "augment (augment.name=ada, or data.flip=true), add data, or a penalty",
        {} if facts.recipe.get("augment.name") != "none" else {"augment.name": "diffaugment"},
        recent[-1].step,
    )


def memorization(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """Generated images are training images."""
    recent = latest(looks, LOOKS)
    if not recent or min(look.copies or 0.0 for look in recent) < COPIED:
        return None
    share = middle([look.copies or 0.0 for look in recent])
    return Finding(
        "memorization",
        "warning",
        recent[0].step,
        f"{share:.0%} of generated images are nearer to a training image than 99% of unseen real "
        "ones are",
        "add data, or stop earlier; look at the nearest neighbours in the report",
        {},
        recent[-1].step,
    )
