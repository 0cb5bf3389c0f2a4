"""Looks made by hand: a healthy run, and what changes in a broken one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sparring.referee import Facts, Look

STEPS, LOOKS = 1000, 10
RECIPE: dict[str, Any] = {
    "optimizer.generator.lr": 1e-3,
    "optimizer.discriminator.lr": 1e-3,
    "optimizer.generator.betas": [0.5, 0.999],
    "optimizer.discriminator.betas": [0.5, 0.999],
    "repeats.generator": 1,
    "repeats.discriminator": 1,
    "penalties": [],
    "augment.name": "none",
}


def facts(**changes: Any) -> Facts:
    usual = Facts(
        recipe=RECIPE,
        steps=STEPS,
        batch_size=64,
        train_size=4000,
        classes=10,
        loss="logistic",
    )
    return replace(usual, **changes)


def healthy(step: int) -> Look:
    """A look at a run that nears the data steadily."""
    return Look(
        step,
        step * 64,
        losses={"discriminator": 1.2, "generator": 0.8},
        grad_norms={"discriminator": 1.0, "generator": 0.5},
        logits={"real": 0.3, "held_out": 0.3, "fake": -0.3},
        accuracy={"real": 0.7, "held_out": 0.7, "fake": 0.7},
        separation=0.75,
        overfitting=0.52,
        score_gap=0.2,
        gradient=0.5,
        gradient_ends={"first": 0.01, "last": 0.02},
        signal=0.1,
        updates={"discriminator": 2e-3, "generator": 2e-3},
        travel={"discriminator": 0.05, "generator": 0.05},
        dead_units=0.0,
        saturated=0.6,
        saturated_real=0.8,
        limits=(-1.0, 1.0),
        limits_real=(-1.0, 1.0),
        distance=0.05 + 20 / (step + 20),
        distance_average=0.05 + 20 / (step + 20),
        diversity=0.9,
        diversity_average=0.9,
        moved=0.3,
        shares=[0.1] * 10,
        shares_real=[0.1] * 10,
        entropy=0.98,
        copies=0.0,
        two_sample=0.8,
        two_sample_error=0.044,
    )


def run(begins: int = 0, **changes: Any) -> list[Look]:
    """Ten looks, changed from the look of that number on; a value may be a function of the step."""
    looks = []
    for place in range(LOOKS):
        look = healthy((place + 1) * STEPS // LOOKS)
        if place >= begins:
            found = {k: v(look.step) if callable(v) else v for k, v in changes.items()}
            look = replace(look, **found)
        looks.append(look)
    return looks
