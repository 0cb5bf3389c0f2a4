"""How quickly the players learn: too quickly, hardly at all, or in circles."""

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
    middle,
    nearest,
    progress,
    seen,
    values,
)

LOOKS = 3  # in a row
HASTY = 0.03  # a step's change over the norm of the weights
# Change of the weights from look to look, over a sixteenth of the run: healthy generators that have
# far to go change three times as much.
PARTS, IDLE = 16, 0.04
FROM = 0.2  # of the run
BARELY = 0.3  # what of the first distance is left by then where anything is learned
RESTLESS = 0.5  # how far samples of the same latents move between looks, in real spreads
BETTER = 0.9  # of an earlier distance: less is progress
HUGE = 1e3  # of losses and logits of networks that are told apart at a few units
GROWN = 30.0  # times the least of what was before


def learning_rate_high(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """Steps of a player are large beside its weights, and samples stay away from the data."""
    recent = latest(looks, LOOKS)
    if not recent or progress(facts, recent[0]) < FROM / 2 or not holds(recent, is_far(facts)):
        return None
    if is_coming(facts, looks):
        return None
    for player in ("generator", "discriminator"):
        sizes = values(recent, lambda look: look.updates.get(player))  # noqa: B023
        if len(sizes) == LOOKS and min(sizes) > HASTY:
            keys = facts.rate_times(player, 0.1)
            return Finding(
                "learning-rate-high",
                "warning",
                recent[0].step,
                f"each step changes the {player} by {middle(sizes):.1%} of its weights, and "
                f"samples are {nearest(recent[-1]):.2f} from the data",
                f"lower optimizer.{player}.lr to a third or a tenth{facts.own_said(keys)}",
                keys,
                recent[-1].step,
            )
    return None


def learning_rate_low(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """The generator's weights hardly change, and samples are far from the data."""
    recent = latest(looks, LOOKS)
    if not recent or progress(facts, recent[0]) < FROM / 2 or not holds(recent, is_far(facts)):
        return None
    ways = values(seen(looks), lambda look: look.travel.get("generator"))
    pace = sum(ways) / progress(facts, recent[-1]) / PARTS
    if len(ways) < LOOKS or pace > IDLE:
        return None
    frozen = max(ways) == 0
    keys = facts.rate_times("generator", 10) | facts.rate_times("discriminator", 10)
    raise_both = "raise optimizer.generator.lr and optimizer.discriminator.lr tenfold"
    return Finding(
        "learning-rate-low",
        "warning",
        recent[0].step,
        "the generator's weights do not change at all"
        if frozen
        else f"in a {PARTS}th of the run the generator changes by {pace:.1%} of its weights, and "
        f"samples are {nearest(recent[-1]):.2f} from the data",
        "see whether its output carries a gradient"
        if frozen
        else raise_both + facts.own_said(keys),
        {} if frozen else keys,
        recent[-1].step,
    )


def stalled(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """Over half of what was seen, samples came no nearer to the data, and they are far from it."""
    known = seen(looks)
    half = known[len(known) // 2 :]
    if len(half) <= LOOKS or not holds(half, is_far(facts)) or progress(facts, half[-1]) < 2 * FROM:
        return None
    before = middle([nearest(look) for look in half[:LOOKS]])
    now = middle([nearest(look) for look in half[-LOOKS:]])
    if now < BETTER * before:
        return None
    return Finding(
        "stalled",
        "warning",
        half[0].step,
        f"samples are {now:.2f} from the data, no nearer than {before:.2f} at step "
        f"{half[0].step:,} (beyond {far(facts)} they are unlike it)",
        "change one thing: the rates, a penalty, the width; train longer only if scores improve",
        dict.fromkeys(["optimizer.generator.lr", "optimizer.discriminator.lr", "penalties"]),
        half[-1].step,
    )


def oscillation(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """Samples of the same latents keep moving as far as the data are wide, without arriving."""
    recent = latest(looks, 2 * LOOKS)
    if not recent or progress(facts, recent[0]) < FROM or not holds(recent, is_far(facts)):
        return None
    moves = values(recent, lambda look: look.moved)
    if len(moves) < 2 * LOOKS or middle(moves) < RESTLESS:
        return None
    if nearest(recent[-1]) < BETTER * nearest(recent[0]):
        return None
    return Finding(
        "oscillation",
        "warning",
        recent[0].step,
        f"between two looks samples move {middle(moves):.1f} times as far as real ones are apart, "
        f"and are {nearest(recent[-1]):.2f} from the data as before",
        "lower both rates or Adam's beta1, or add a penalty (penalties=[{name: r1, weight: 1}])",
        _steadier(facts),
        recent[-1].step,
    )


def exploding(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """Losses or gradients grow out of all proportion, and samples are no longer like the data."""
    if len(looks) < LOOKS:
        return None
    before, recent = looks[:-2], looks[-2:]
    if recent[-1].distance is not None and not is_far(facts)(recent[-1]):
        return None
    for name, of in (("loss", _largest_loss), ("gradient norm", _largest_norm)):
        now, usual = min(map(of, recent)), min(map(of, before))
        if now > HUGE and now > GROWN * usual:
            return Finding(
                "exploding",
                "warning",
                recent[0].step,
                f"the largest {name} is {now:.3g}, after {usual:.3g} before",
                "lower both rates, or bound the discriminator's slope (penalties=[{name: r1, "
                "weight: 1}])",
                _steadier(facts),
                recent[-1].step,
            )
    return None


def _largest_loss(look: Look) -> float:
    return max(map(abs, [*look.losses.values(), *look.logits.values()]), default=0.0)


def _largest_norm(look: Look) -> float:
    return max(look.grad_norms.values(), default=0.0)


def _steadier(facts: Facts) -> dict[str, object]:
    keys: dict[str, object] = dict(facts.rate_times("generator", 1 / 3))
    keys |= facts.rate_times("discriminator", 1 / 3)
    if not facts.penalized:
        keys["penalties"] = [{"name": "r1", "weight": 1.0}]
    for player in ("generator", "discriminator"):
        betas = facts.recipe.get(f"optimizer.{player}.betas")
        if betas and betas[0] > 0.9:
            keys[f"optimizer.{player}.betas"] = [0.5, betas[1]]
    return keys
