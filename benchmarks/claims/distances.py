"""Claim: on separated supports Jensen-Shannon is flat and the Wasserstein distance is not.

Real numbers are uniform on [0, 1); the generator shifts uniform noise by its one parameter d. The
truth is known: JS = min(d, 1) log 2, W = d.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import drawing
from benchmarks.drawing import look
from sparring.data import Dataset
from sparring.data.dataset import split_by_draw
from sparring.games import LatentGame, Move
from sparring.networks.layers import seeded
from sparring.networks.mlp import MLPDiscriminator
from sparring.objectives import LOSSES, Term, objective
from sparring.objectives.penalties import squared_gradient_norm
from sparring.recipe import Recipe
from sparring.training.precision import choose_device
from sparring.training.state import State
from sparring.training.step import let_learn, make_move

DISTANCES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
MOVES, BATCH, SEEDS = 1000, 256, 2
COUNT = 20_000  # fresh numbers of each side for an estimate
LIPSCHITZ = 10.0  # weight of the penalty on slopes above 1
CPU = choose_device("cpu")
GENERATOR_LOSSES = {
    "saturating": ("logistic", "logistic-saturating"),
    "non-saturating": ("logistic", "logistic"),
    "Wasserstein": ("wasserstein", "wasserstein"),
}
COLORS = {
    "saturating": look.VERMILION,
    "non-saturating": look.ORANGE,
    "Wasserstein": look.BLUE,
}

Row = dict[str, Any]


class Shift(nn.Module):
    """z [N, 1] to z + d."""

    def __init__(self, distance: float) -> None:
        super().__init__()
        self.distance = nn.Parameter(torch.tensor(distance))

    def forward(self, z: Tensor) -> Tensor:
        return z + self.distance


def measure(quick: bool) -> Row:
    """Both estimates and the generator's gradients at each distance."""
    seeds, moves = (range(1), 100) if quick else (range(SEEDS), MOVES)
    rows = [at(distance, seed, moves) for distance in DISTANCES for seed in seeds]
    return {
        "settings": {
            "discriminator": "mlp 64-64, Adam 3e-3 (0.5, 0.99) falling to a hundredth",
            "moves": moves,
            "batch_size": BATCH,
            "js": "log 2 minus half of D's logistic loss, nats",
            "wasserstein": "the critic's mean difference over its steepest slope: a lower bound",
            "gradients": "|d loss / d d| of the generator's loss through that discriminator",
            "numbers for an estimate": COUNT,
        },
        "rows": rows,
        "outcome": outcome(rows),
        "picture": picture(rows, quick),
    }


def at(distance: float, seed: int, moves: int) -> Row:
    """Train a discriminator of each kind against the generator at one distance."""
    row: Row = {"distance": distance, "seed": seed, "js_true": min(distance, 1) * math.log(2)}
    states = {loss: trained(loss, distance, seed, moves) for loss in ("logistic", "wasserstein")}
    draw = torch.Generator().manual_seed(seed)
    real, fake = torch.rand(2, COUNT, 1, generator=draw)
    fake = fake + distance
    with torch.no_grad():
        discriminator = states["logistic"].game.players["discriminator"]
        loss = states["logistic"].game.loss.discriminator(discriminator(real), discriminator(fake))
        row["js"] = math.log(2) - loss.mean().item() / 2
        critic = states["wasserstein"].game.players["discriminator"]
        gap = (critic(real).mean() - critic(fake).mean()).item()
    row["wasserstein"] = gap / steepest(critic, distance)
    for said, (taught, loss_name) in GENERATOR_LOSSES.items():
        row[said] = gradient(states[taught], loss_name)
    return row


def trained(loss: str, distance: float, seed: int, moves: int) -> State:
    """A game in which only the discriminator has moved, as often as asked."""
    schedule = {"name": "linear", "end": 0.01}
    optimizer = {"lr": 3e-3, "betas": [0.5, 0.99], "schedule": schedule}
    recipe = Recipe.model_validate(
        {
            "seed": seed,
            "steps": moves,
            "batch_size": BATCH,
            "precision": {"generator": "fp32", "discriminator": "fp32"},
            "latent": {"size": 1, "prior": "uniform"},
            "optimizer": {"generator": optimizer, "discriminator": optimizer},
        }
    )
    values = torch.rand(100_000, 1, generator=torch.Generator().manual_seed(1))
    dataset = Dataset("uniform", values, split_by_draw(len(values)))
    with seeded(seed):
        discriminator = MLPDiscriminator((1,), [64, 64], activation="relu")
    penalties = [lipschitz(discriminator)] if loss == "wasserstein" else []
    game = LatentGame(
        recipe, dataset, Shift(distance), discriminator, objective(LOSSES[loss]), penalties
    )
    state = State(game, recipe, CPU)
    for move in range(moves):
        make_move(state, game.phases[0], 0, move * BATCH)
        state.statistics.clear()
        state.step += 1
    return state


def lipschitz(discriminator: nn.Module) -> Term:
    """max(0, |f'| - 1)² at points between real and generated numbers (Petzka et al., 2018).

    The two-sided (|f'| - 1)² would hold a critic that starts with the wrong sign where it is.
    """

    def penalty(batch: Any) -> Tensor:
        share = torch.rand(len(batch.real), 1, generator=batch.move.draw("between"))
        between = torch.lerp(batch.real, batch.fake, share).requires_grad_()
        return (squared_gradient_norm(discriminator(between), between).sqrt() - 1).relu().square()

    return Term("lipschitz", penalty, LIPSCHITZ)


def steepest(critic: nn.Module, distance: float) -> float:
    """The largest |f'| between the smallest and the largest number of either side."""
    x = torch.linspace(0, 1 + distance, 20_001)[:, None].requires_grad_()
    return squared_gradient_norm(critic(x), x).detach().max().sqrt().item()


def gradient(state: State, loss: str) -> float:
    """|d loss / d d| over one batch of generated numbers."""
    phase = state.game.phases[1]
    let_learn(state, phase)
    batch = state.game.batch(
        Move(
            seed=state.recipe.seed,
            step=state.step,
            samples_seen=state.samples_seen,
            phase=phase.name,
            repeat=0,
            position=0,
            batch_size=COUNT,
            part=slice(0, COUNT),
            learning=frozenset(phase.players),
            differentiates=frozenset(),
            autocast=state.contexts.of_move(frozenset()),
        )
    )
    value = LOSSES[loss].generator(batch.on_fake.logits).mean()
    (slope,) = torch.autograd.grad(value, state.game.players["generator"].distance)
    return slope.abs().item()


def medians(rows: list[Row], key: str) -> list[float]:
    return [float(np.median([r[key] for r in rows if r["distance"] == d])) for d in DISTANCES]


def outcome(rows: list[Row]) -> str:
    """What was seen on separated supports, in words and figures."""
    apart = [row for row in rows if row["distance"] > 1]
    js = [row["js"] for row in apart]
    off = max(abs(row["wasserstein"] / row["distance"] - 1) for row in apart)
    reach = {
        said: (min(row[said] for row in apart), max(row[said] for row in apart))
        for said in GENERATOR_LOSSES
    }
    gradients = "; ".join(f"{said} {low:.2g} to {high:.2g}" for said, (low, high) in reach.items())
    return (
        f"Beyond distance 1 the estimate of JS stays between {min(js):.3f} and {max(js):.3f} "
        f"(log 2 = {math.log(2):.3f}); that of W is at most {off:.1%} off. The generator's "
        f"gradient there: {gradients}."
    )


def picture(rows: list[Row], quick: bool) -> str:
    """Both distances against d, estimates as points on their closed forms, and the gradients."""
    figure, (js, wasserstein, gradients) = drawing.sheet(
        "Once nothing overlaps, Jensen-Shannon says no more; Wasserstein still does",
        "real numbers on [0, 1), generated ones shifted by d · lines: closed form, dots: a trained "
        f"discriminator ({SEEDS} seeds)",
        ("Jensen-Shannon (nats)", "Wasserstein", "The gradient that moves the generator"),
    )
    d = np.linspace(0, DISTANCES[-1], 201)
    for axes, truth, key, color in (
        (js, np.minimum(d, 1) * math.log(2), "js", look.VERMILION),
        (wasserstein, d, "wasserstein", look.BLUE),
    ):
        axes.plot(d, truth, color=color, linewidth=2.2, alpha=0.55)
        dots = [row["distance"] for row in rows], [row[key] for row in rows]
        axes.plot(*dots, "o", color=color, markersize=5.5, clip_on=False)
    js.set_ylim(-0.03, 0.85)
    js.text(4, math.log(2) + 0.03, "log 2", size=9.5, color=look.MUTED, ha="right")
    gradients.set_yscale("log")
    ends = []
    for said, color in COLORS.items():
        values = medians(rows, said)
        gradients.plot(DISTANCES, values, color=color, linewidth=2.2, marker="o", markersize=4)
        ends.append((said, color, values[-1]))
    drawing.name_ends(gradients, ends)
    for axes in (js, wasserstein, gradients):
        axes.axvspan(0, 1, color=look.MUTED, alpha=0.08, linewidth=0)
        drawing.across(axes, "distance d (grey: they overlap)")
    return drawing.save(figure, "claim-distances", quick)
