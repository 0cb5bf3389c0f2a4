"""Claim: smoothed labels keep the discriminator from being over-confident."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

import sparring
from benchmarks import common, drawing
from benchmarks.drawing import look
from benchmarks.toys import FIRST_SEED
from sparring.api import Run
from sparring.data import open_data, to_network
from sparring.networks import build_discriminator
from sparring.recipe import Data
from sparring.recipes import load_recipe
from sparring.training import checkpoint
from sparring.training.precision import choose_device

LABELS: dict[str, dict[str, float]] = {
    "1 and 0": {"real": 0.0, "fake": 0.0},
    "0.9 and 0": {"real": 0.1, "fake": 0.0},
    "0.9 and 0.1": {"real": 0.1, "fake": 0.1},
}
COLORS = dict(zip(LABELS, (look.MUTED, look.BLUE, look.VERMILION), strict=True))
RECIPE, WIDTH, STEPS, SEEDS = "dcgan", 16, 400, 3
SAMPLES = 1024  # of each kind that D is asked about
SURE = 0.99
CPU = choose_device("cpu")

Row = dict[str, Any]


def measure(quick: bool) -> Row:
    """The recipe dcgan, thin, whose discriminator wins early, under three kinds of labels."""
    overrides: Row = {
        "steps": 40 if quick else STEPS,
        "generator.width": WIDTH,
        "discriminator.width": WIDTH,
    }
    scores: dict[str, list[Tensor]] = {labels: [] for labels in LABELS}
    runs = []
    for labels in LABELS:
        for seed in range(1 if quick else SEEDS):
            run, on_real, on_fake = one_run(labels, overrides | {"seed": seed})
            scores[labels].append(torch.stack([on_real, on_fake]))
            print(run, flush=True)
            runs.append(run)
    return {
        "settings": {
            "recipe": RECIPE,
            "overrides": overrides,
            "labels": "of real and of generated samples: plain, one-sided, two-sided",
            "scores": "the last D, on batches as in training, of training digits and samples",
            "sure": f"share of both with a score above {SURE:g} or below {1 - SURE:.2g}",
            "samples": SAMPLES,
        },
        "runs": runs,
        "outcome": outcome(runs),
        "picture": picture(scores, runs, quick),
    }


def one_run(labels: str, overrides: Row) -> tuple[Row, Tensor, Tensor]:
    """One training: what D says at its end of real and of generated digits, and KID."""
    smoothing = {f"loss.smoothing.{side}": share for side, share in LABELS[labels].items()}
    with common.scratch() as folder:
        run = sparring.train(RECIPE, out=folder / "run", overrides=overrides | smoothing)
        scores = run.evaluate(["kid", "fid"], 2000)
        on_real, on_fake = judged(run)
    both = torch.cat([on_real, on_fake])
    row = {
        "labels": labels,
        "seed": overrides["seed"],
        "score_real": round(on_real.mean().item(), 3),
        "score_fake": round(on_fake.mean().item(), 3),
        "sure": round(((both > SURE) | (both < 1 - SURE)).float().mean().item(), 3),
        "kid": round(scores["kid"]["value"], 5),
        "fid": round(scores["fid"]["value"], 2),
    }
    return row, on_real, on_fake


@torch.no_grad()
def judged(run: Run) -> tuple[Tensor, Tensor]:
    """The last discriminator's scores of training digits and of fresh samples."""
    recipe = load_recipe(run.folder.recipe)
    found = checkpoint.read(run.folder.checkpoints / checkpoint.LAST)
    prefix = "player/discriminator/"
    weights = {k[len(prefix) :]: v for k, v in found.tensors.items() if k.startswith(prefix)}
    digits = open_data(Data())
    # In training mode, batch by batch: as the generator meets it, whose gradients come through it.
    discriminator = build_discriminator(recipe.discriminator, digits.shape, seed=0).train()
    discriminator.load_state_dict(weights)
    real, fake = digits.split("train")[:SAMPLES], run.sample(SAMPLES, seed=FIRST_SEED)
    on_real, on_fake = (
        torch.cat([discriminator(to_network(part, CPU)) for part in x.split(recipe.batch_size)])
        for x in (real, fake)
    )
    return on_real.sigmoid(), on_fake.sigmoid()


def outcome(runs: list[Row]) -> str:
    """Means over the seeds, in words."""
    said = []
    for labels in LABELS:
        mine = [run for run in runs if run["labels"] == labels]
        real, sure = (np.mean([run[key] for run in mine]) for key in ("score_real", "sure"))
        kids = [run["kid"] for run in mine]
        said.append(
            f"labels {labels}: mean score of real digits {real:.2f}, sure of {sure:.0%}, "
            f"KID {np.median(kids):.3g} ({min(kids):.3g} to {max(kids):.3g})"
        )
    return "; ".join(said) + "."


def picture(scores: dict[str, list[Tensor]], runs: list[Row], quick: bool) -> str:
    """How D's scores of real and generated digits are spread, and what it did to KID."""
    figure, (on_real, on_fake, kid) = drawing.sheet(
        "Smoothed labels cap the discriminator's confidence",
        f"labels of real and generated digits; recipe {RECIPE}, width {WIDTH}, {SEEDS} seeds each",
        ("D's scores of real digits", "D's scores of generated digits", "KID, lower is better"),
        right=0.97,
    )
    edges = np.linspace(0, 1, 51)
    for place, (labels, color) in enumerate(COLORS.items()):
        both = torch.cat(scores[labels], 1).numpy()
        for axes, values in zip((on_real, on_fake), both, strict=True):
            counts = np.histogram(values, edges)[0] / len(values)
            axes.stairs(counts, edges, color=color, linewidth=2.2)
        kids = [run["kid"] for run in runs if run["labels"] == labels]
        kid.plot(kids, [place] * len(kids), "o", color=color, markersize=8, alpha=0.7)
        kid.plot([np.median(kids)] * 2, [place - 0.25, place + 0.25], color=color, linewidth=2.4)
    for axes in (on_real, on_fake):
        axes.set_xlim(0, 1)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        drawing.across(axes, "score (1: surely real)")
    kid.set_yticks(range(len(LABELS)), LABELS, size=10.5, weight="bold")
    for label, color in zip(kid.get_yticklabels(), COLORS.values(), strict=True):
        label.set_color(color)
    kid.set_ylim(len(LABELS) - 0.5, -0.5)
    kid.set_xlim(left=0)
    drawing.across(kid, "KID (a dot a seed, the middle one marked)")
    return drawing.save(figure, "claim-smoothing", quick)
