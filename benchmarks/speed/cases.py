"""What is trained: recipes at a size, on digits brought to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import interpolate

from sparring.data import Dataset, open_data
from sparring.recipe import Data, Recipe
from sparring.recipes import load_recipe

MNIST_SIZE = 60_000
ENDLESS = {"steps": 10**9, "evaluation.every": 0, "evaluation.metrics": []}
FP32 = {"precision.generator": "fp32", "precision.discriminator": "fp32"}


@dataclass(frozen=True)
class Case:
    """A recipe on images of `size` pixels and `channels`; `steps` a round.

    A round holds each lazy penalty as often as a long run does. `goal` is the least ratio of the
    plain loop's time to the package's, None where there is none. `bare`: benchmarks/bare.py has the
    same step.
    """

    recipe: str
    size: int
    channels: int
    steps: int
    goal: float | None = 2.0
    count: int = 5000
    bare: bool = False
    convolutional: bool = True
    overrides: dict[str, Any] = field(default_factory=dict)


CASES = {
    "mlp-mnist": Case(
        "mlp-mnist", 28, 1, 20, 2.5, count=MNIST_SIZE, bare=True, convolutional=False
    ),
    "mlp-cifar10": Case("mlp-cifar10", 32, 3, 20, convolutional=False),
    "dcgan-28": Case("dcgan", 28, 1, 4),
    "dcgan-32": Case("dcgan", 32, 3, 4),
    "dcgan-64": Case("dcgan", 64, 3, 1, 2.2, count=2000, bare=True),
    "wgan-gp": Case("wgan-gp", 28, 1, 6),
    "sngan": Case("sngan", 28, 1, 10),
    "cdcgan": Case("cdcgan", 28, 1, 16),
    "stylegan2": Case("stylegan2", 32, 1, 16),
    "cyclegan": Case("cyclegan", 28, 3, 10),
    # The plain loop has no penalty: the note that it is from has none.
    "gaussian": Case(
        "gaussian", 1, 0, 50, None, bare=True, convolutional=False, overrides={"penalties": []}
    ),
}


def recipe_of(case: Case, fp32: bool = False) -> Recipe:
    """The recipe without evaluation, for ever."""
    recipe = load_recipe(case.recipe, ENDLESS | case.overrides | (FP32 if fp32 else {}))
    recipe.tick = case.steps
    return recipe


def data_of(case: Case) -> Dataset:
    """Digits at the size and in the channels of a case, with their labels; or its own data."""
    if not case.channels:
        return open_data(Data(name="gaussian"))
    if case.recipe == "cyclegan":
        return open_data(load_recipe("cyclegan").data)
    digits = open_data(Data())
    times = -(-case.count // len(digits.values))
    values = digits.values.repeat(times, 1, 1, 1)[: case.count]
    if case.size != values.shape[-1]:
        size = (case.size, case.size)
        values = interpolate(values.float(), size=size, mode="bilinear").to(torch.uint8)
    if case.channels == 3:
        draw = torch.Generator().manual_seed(0)
        values = (values * torch.rand(len(values), 3, 1, 1, generator=draw)).to(torch.uint8)
    every = torch.arange(len(values))
    assert digits.labels is not None
    labels = digits.labels.repeat(times)[: len(values)] if case.recipe == "cdcgan" else None
    splits = {"train": every, "select": every, "test": every}
    classes = digits.classes if labels is not None else ()
    return Dataset(f"{case.recipe} digits", values, splits, labels=labels, classes=classes)
