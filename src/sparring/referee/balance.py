"""One player is too strong for the other: neither learns from such a fight."""

from __future__ import annotations

from collections.abc import Sequence

from sparring.referee.facts import Facts
from sparring.referee.finding import Finding
from sparring.referee.look import Look
from sparring.referee.series import (
    far,
    holds,
    is_coming,
    is_far,
    latest,
    nearest,
    progress,
    seen,
    values,
)

LOOKS = 3  # in a row
SURE = 0.985  # P(real logit > fake logit) of a discriminator that tells nearly all apart
GAP = 0.8  # of mean scores, where they are probabilities
FADED = 0.1  # of the largest gradient seen: what is left of it
BLIND = 0.65  # separation of a discriminator that hardly tells samples apart that are far apart
REVERSED = 0.35  # separation of one that takes fakes for real
KNOWN = 0.6  # P(logit of a training sample > that of an unseen one) of one that knows some
FROM = 0.12  # of the run
# Of logistic losses: 1.386 (or half, where real and fake are averaged) and 0.693 at equilibrium.
WON, LOST = 0.1, 3.0


def discriminator_overpowers(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """It tells all samples apart, surely, and what the generator learns from has faded."""
    recent = latest(looks, LOOKS)
    if not recent:
        return _by_losses(looks[-LOOKS:]) if not facts.recipe and len(looks) >= LOOKS else None
    if progress(facts, recent[0]) < FROM or not holds(recent, is_far(facts)):
        return None
    if is_coming(facts, looks):
        return None
    if not holds(recent, lambda look: (look.separation or 0) > SURE and _is_sure(facts, look)):
        return None
    look = recent[-1]
    return Finding(
        "discriminator-overpowers",
        "warning",
        recent[0].step,
        f"the discriminator tells {look.separation:.1%} of pairs apart, mean scores are "
        f"{look.score_gap:.2f} apart, and samples stay {nearest(look):.2f} from the data",
        "lower the discriminator's rate, give it fewer moves, or add a penalty "
        "(penalties=[{name: r1, weight: 1}])",
        _calmer(facts, "discriminator"),
        look.step,
    )


def _by_losses(recent: Sequence[Look]) -> Finding | None:
    """Of another program's log there are only losses, of the logistic kind where they say so."""

    def has_won(look: Look) -> bool:
        of_d, of_g = (look.losses.get(player) for player in ("discriminator", "generator"))
        losing = of_d is not None and 0 <= of_d < WON and of_g is not None and of_g > LOST
        return losing and (look.score_gap is None or look.score_gap > GAP)

    if not holds(recent, has_won):
        return None
    losses = recent[-1].losses
    return Finding(
        "discriminator-overpowers",
        "warning",
        recent[0].step,
        f"the discriminator's loss fell to {losses['discriminator']:.2g}, the generator's rose to "
        f"{losses['generator']:.2g}: it is told apart surely",
        "lower the discriminator's rate, give it fewer moves, or add a penalty",
        {},
        recent[-1].step,
    )


def generator_overpowers(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """The discriminator cannot tell samples apart that are far from the data."""
    recent = latest(looks, LOOKS)
    if not recent or progress(facts, recent[0]) < FROM or not holds(recent, is_far(facts)):
        return None
    if is_coming(facts, looks):
        return None
    if not holds(recent, lambda look: REVERSED <= (look.separation or 0) < BLIND):
        return None
    look = recent[-1]
    return Finding(
        "generator-overpowers",
        "warning",
        recent[0].step,
        f"the discriminator tells {look.separation:.0%} of pairs apart, hardly more than half, "
        f"though samples are {nearest(look):.2f} from the data (beyond {far(facts)} they are "
        "unlike it)",
        "lower the generator's rate, raise the discriminator's or its moves, or weaken its penalty",
        facts.rate_times("generator", 1 / 3),
        look.step,
    )


def swapped_labels(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """The discriminator gives fakes the higher logits: real and fake are exchanged."""
    recent = latest(looks, LOOKS)
    if not recent or not holds(recent, is_far(facts)):
        return None
    if not holds(recent, _is_reversed):
        return None
    look = recent[-1]
    return Finding(
        "swapped-labels",
        "warning",
        recent[0].step,
        f"generated samples get the higher logit in {1 - (look.separation or 0):.0%} of pairs",
        "look for real and fake exchanged in the loss: loss.name",
        {"loss.name": None},
        look.step,
    )


def vanishing_gradients(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """What reaches the generator is a small part of what it was, while it has much to learn."""
    recent = latest(looks, LOOKS)
    if not recent or progress(facts, recent[0]) < FROM:
        return None
    none_at_all = holds(recent, lambda look: look.gradient == 0)
    if not none_at_all and not holds(recent, is_far(facts)):
        return None
    largest = max(values(seen(looks), lambda look: look.gradient), default=0.0)
    now = max(values(recent, lambda look: look.gradient), default=largest)
    if not now < FADED * largest and now > 1e-8:
        return None
    look = recent[-1]
    return Finding(
        "vanishing-gradients",
        "warning",
        recent[0].step,
        f"the gradient that reaches the generator fell to {now:.2g} from {largest:.2g}, and "
        f"samples are {nearest(look):.2f} from the data",
        "use the non-saturating loss (loss.name=logistic), a penalty, normalization in a deep "
        "generator, or a weaker discriminator",
        _calmer(facts, "discriminator"),
        look.step,
    )


def _is_reversed(look: Look) -> bool:
    """Fakes are taken for real, also beside training samples: those alone may be known by heart."""
    unseen = look.separation is not None and look.separation < REVERSED
    return unseen and (look.overfitting or 0.5) < KNOWN


def _is_sure(facts: Facts, look: Look) -> bool:
    return not facts.probabilistic or (look.score_gap or 0) > GAP


def _calmer(facts: Facts, player: str) -> dict[str, object]:
    """A lower rate, one move a step, and a penalty if there is none."""
    keys: dict[str, object] = facts.rate_times(player, 1 / 3)
    if facts.recipe.get(f"repeats.{player}", 1) > 1:
        keys[f"repeats.{player}"] = 1
    if not facts.penalized:
        keys["penalties"] = [{"name": "r1", "weight": 1.0}]
    if facts.loss == "logistic-saturating":
        keys["loss.name"] = "logistic"
    return keys
