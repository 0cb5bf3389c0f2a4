"""The hook that sees each image before it leaves, and may refuse it with a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy.typing as npt

from sparring.errors import InputError, said_by
from sparring.lookup import find
from sparring.serving.refusal import Refusal
from sparring.serving.telemetry import LOG, REFUSED
from sparring.serving.version import Version

Array = npt.NDArray[Any]
Judge = Callable[[Array, Array], Sequence[str | None]]
Check = Callable[[Array, Array], list[Refusal | None]]


def make_check(name: str, version: Version) -> Check:
    """What `module:attribute` says of samples [N, ...] and labels [N] of a version.

    The attribute is called once with the version, and gives a function that gives for each sample
    None or the reason why it must not leave. What cannot be judged does not leave either.
    Raises InputError where there is no such function.
    """
    make = find({}, name, "--moderation")
    try:
        judge: Judge = make(version)
    except InputError:
        raise
    except Exception as error:  # code of the user's own may raise anything
        raise InputError(
            f"--moderation {name} cannot be used for `{version.name}`: {said_by(error)}",
            "it is called with the version, and gives a function of images and labels",
        ) from error
    if not callable(judge):
        raise InputError(
            f"--moderation {name} gives {type(judge).__name__}, not a function",
            "let it give one: of images and labels, to a reason or None for each",
        )

    def check(samples: Array, labels: Array) -> list[Refusal | None]:
        try:
            reasons = list(judge(samples, labels))
            if len(reasons) != len(samples):
                raise ValueError(f"{len(reasons)} answers to {len(samples)} samples")
        except Exception as error:
            LOG.event("error", "moderation", message=f"{name}: {said_by(error)}")
            reasons = ["it could not be judged"] * len(samples)
        verdicts = [
            None if reason is None else Refusal(403, "refused", f"refused: {reason}")
            for reason in reasons
        ]
        REFUSED.labels(version.name).inc(sum(verdict is not None for verdict in verdicts))
        return verdicts

    return check
