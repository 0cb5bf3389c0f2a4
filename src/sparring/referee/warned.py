"""What preflight warned about before the first step, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from sparring.referee.facts import Facts
from sparring.referee.finding import Finding
from sparring.referee.look import Look
from sparring.referee.series import holds, is_coming, latest, nearest, progress

LOOKS = 3  # in a row
FROM = 0.5  # of the run
# Healthy short runs come nearer to the data than this. Where a cause is known, what would be too
# little to tell by itself is enough.
DOUBTFUL_IMAGES, DOUBTFUL_VECTORS = 0.22, 0.007


def came_true(facts: Facts, looks: Sequence[Look]) -> Finding | None:
    """Samples stay away from the data, of a recipe of which it had been said that they would."""
    recent = latest(looks, LOOKS)
    if not facts.warned or not recent or progress(facts, recent[0]) < FROM:
        return None
    doubtful = DOUBTFUL_IMAGES if facts.images else DOUBTFUL_VECTORS
    if not holds(recent, lambda look: nearest(look) > doubtful) or is_coming(facts, looks):
        return None
    codes = ", ".join(dict.fromkeys(warning["code"] for warning in facts.warned))
    return Finding(
        "warning-came-true",
        "warning",
        recent[0].step,
        f"{codes} had been warned about before the first step, and samples are "
        f"{nearest(recent[-1]):.2g} from the data (healthy runs come nearer than {doubtful:g})",
        "; ".join(dict.fromkeys(warning["advice"] for warning in facts.warned)),
        facts.advised,
        recent[-1].step,
    )
