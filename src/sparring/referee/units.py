"""Units and outputs that do not answer, batches too small, outputs in the wrong range."""

from __future__ import annotations

from collections.abc import Sequence

from sparring.referee.facts import Facts
from sparring.referee.finding import Finding
from sparring.referee.look import Look
from sparring.referee.series import holds, is_far, is_near, latest, nearest, progress

LOOKS = 3  # in a row
DEAD = 0.5  # share of units
FLAT = 0.9  # share of outputs at the ends of their range
MORE = 0.05  # than real samples have there
TINY = 8  # samples of a batch that is normalized
FROM = 0.1  # of the run
SHORT = 0.25  # of the real range: what is missing of it at either end
BOUNDS, AT = (-1.0, 0.0, 1.0), 0.02  # where activations end, and how near to it is there


def dead_units(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """Most units of the generator answer to no latent at all."""
    recent = latest(looks, LOOKS)
    if not holds(recent, lambda look: (look.dead_units or 0) > DEAD):
        return None
    return Finding(
        "dead-units",
        "warning" if holds(recent, is_far(facts)) else "info",
        recent[0].step,
        f"{recent[-1].dead_units:.0%} of the generator's units are 0 for every latent",
        "use generator.activation=leaky_relu, normalization, or a lower rate",
        {"generator.activation": "leaky_relu"}
        if "generator.activation" in facts.recipe
        else dict(facts.rate_times("generator", 1 / 3)),
        recent[-1].step,
    )


def saturated_outputs(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """Nearly all outputs are at the ends of their range, where no gradient passes."""
    recent = latest(looks, LOOKS)
    if not holds(recent, _is_flat):
        return None
    look = recent[-1]
    return Finding(
        "saturated-outputs",
        "info" if holds(recent, is_near(facts)) else "warning",
        recent[0].step,
        f"{look.saturated:.0%} of outputs are at the ends of their range, of real ones "
        f"{look.saturated_real:.0%}",
        "start with smaller weights (generator.init=normal), lower the generator's rate",
        facts.rate_times("generator", 1 / 3),
        look.step,
    )


def _is_flat(look: Look) -> bool:
    if look.saturated is None or look.saturated_real is None:
        return False
    return look.saturated > FLAT and look.saturated > look.saturated_real + MORE


def tiny_batch_norm(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """Batch normalization over so few samples is mostly noise, and samples show it."""
    size = facts.recipe.get("micro_batch") or facts.batch_size
    recent = latest(looks, LOOKS)
    if not facts.batch_norm or not size or size >= TINY or not recent:
        return None
    if holds(recent, is_near(facts)):
        return None
    if progress(facts, recent[0]) < FROM:
        return None
    return Finding(
        "tiny-batch-norm",
        "warning",
        recent[0].step,
        f"batch normalization over {size} samples in the {' and the '.join(facts.batch_norm)}; "
        f"samples are {nearest(recent[-1]):.2f} from the data",
        "set batch_size=16 or more, or take normalization=layer or none",
        {"batch_size": None},
        recent[-1].step,
    )


def output_range(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """What is generated ends at the bound of an activation, and real samples go on beyond it."""
    recent = latest(looks, LOOKS)
    if not recent or progress(facts, recent[0]) < FROM or not holds(recent, _is_short):
        return None
    if not holds(recent, is_far(facts)):
        return None
    look = recent[-1]
    assert look.limits is not None
    assert look.limits_real is not None
    return Finding(
        "output-range",
        "warning",
        recent[0].step,
        f"generated values are from {look.limits[0]:.2f} to {look.limits[1]:.2f}, real ones from "
        f"{look.limits_real[0]:.2f} to {look.limits_real[1]:.2f}",
        "images are in [-1, 1]: let the generator end in a tanh; vectors need an output without "
        "bounds",
        {},
        look.step,
    )


def _is_short(look: Look) -> bool:
    if look.limits is None or look.limits_real is None:
        return False
    (low, high), (least, most) = look.limits, look.limits_real
    allowed = SHORT * (most - least)
    missing = [low] * (low > least + allowed) + [high] * (high < most - allowed)
    return any(abs(end - bound) < AT for end in missing for bound in BOUNDS)
