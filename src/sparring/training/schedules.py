"""Factors as functions of progress, from 0 at the start of a run to 1 at its end."""

from __future__ import annotations

import math

from sparring.recipe import Schedule


def factor(schedule: Schedule, progress: float) -> float:
    """1 at progress 0, `end` at progress 1, in a straight line or half a cosine wave."""
    progress = min(max(progress, 0.0), 1.0)
    if schedule.name == "linear":
        return 1 + (schedule.end - 1) * progress
    if schedule.name == "cosine":
        return schedule.end + (1 - schedule.end) * (1 + math.cos(math.pi * progress)) / 2
    return 1.0
