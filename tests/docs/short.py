"""Cuts the trainings of the pages short: what a page does not say itself, and how many steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sparring.recipes import parse_override

STEPS, MOST_STEPS = 10, 14
SHORT = {
    "steps": STEPS,
    "batch_size": 16,
    "tick": 5,
    "snapshots": 2,
    "evaluation.metrics": ["kid"],  # fid takes roots of large matrices
    "evaluation.final_metrics": ["kid"],
    "evaluation.samples": 80,
    "evaluation.final_samples": 80,
}
VECTORS = {"evaluation.metrics": ["fid"]}  # small matrices; kid looks at all pairs of samples
OF_RECIPE = {
    "dcgan": {"generator.width": 8, "discriminator.width": 8},
    "cyclegan": {"generator.width": 4, "discriminator.width": 4},
    "pix2pix": {"generator.width": 4, "discriminator.width": 4},
    "srgan": {"generator.width": 4, "discriminator.width": 4},
    **dict.fromkeys(("gaussian", "gaussian-moments", "ring", "grid"), VECTORS),
}
SAMPLES = "200"  # of an evaluation


def shorten(recipe: Any, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides of a training with those of SHORT that are not given, and with few steps."""
    chosen = SHORT | OF_RECIPE.get(str(recipe), {}) | dict(overrides)
    return chosen | {"steps": min(int(chosen["steps"]), MOST_STEPS)}


def shorten_words(words: list[str]) -> list[str]:
    """The words of a command line; a resumed run keeps its settings but for the steps."""
    if words[:1] == ["evaluate"] and "--samples" not in words:
        return [*words, "--samples", SAMPLES]
    if words[:1] != ["train"]:
        return words
    given = dict(word.split("=", 1) for word in words if "=" in word and not word.startswith("-"))
    others = [word for word in words if word.partition("=")[0] not in given]
    if "--resume" in words:
        steps = {"steps": MOST_STEPS} if "steps" in given else {}
        return [*others, *(f"{key}={value}" for key, value in (given | steps).items())]
    short = shorten(words[1] if words[1:] else None, given)
    return [*others, *(f"{key}={as_typed(value)}" for key, value in short.items())]


def as_typed(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def shortened(train: Callable[..., Any]) -> Callable[..., Any]:
    """`sparring.train` that does the same."""

    def short_train(
        recipe: Any = None, data: Any = None, out: Any = None, overrides: Any = (), **rest: Any
    ) -> Any:
        if not isinstance(overrides, Mapping):
            overrides = dict(map(parse_override, overrides))
        return train(recipe, data, out, shorten(recipe, overrides), **rest)

    return short_train
