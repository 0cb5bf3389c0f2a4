"""Claim: the saturating generator loss gives no gradient once the discriminator wins."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import drawing
from benchmarks.drawing import look
from sparring.data import open_data
from sparring.games import GAMES, Move
from sparring.objectives import LOSSES
from sparring.recipes import load_recipe
from sparring.training.precision import choose_device
from sparring.training.state import State
from sparring.training.step import let_learn, make_move, run_step

NAMES = {"logistic-saturating": "saturating", "logistic": "non-saturating"}
COLORS = {"saturating": look.VERMILION, "non-saturating": look.BLUE}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adam": {"optimizer.generator.name": "adam", "optimizer.generator.lr": 1e-3},
    "sgd": {"optimizer.generator.name": "sgd", "optimizer.generator.lr": 0.05},
}
NAMED = {"adam": "Adam", "sgd": "SGD"}
LOOKS = (0, 5, 10, 20, 40, 80, 120, 160, 200)  # moves of the discriminator alone
STEPS, LOOK_EVERY = 600, 50
CPU = choose_device("cpu")

Row = dict[str, Any]


def measure(quick: bool) -> Row:
    """Slopes of the losses, gradients while D learns alone, and where G gets to afterwards."""
    seeds = range(1 if quick else 3)
    steps = 2 * LOOK_EVERY if quick else STEPS
    slopes = [slope_row(score) for score in (0.5, 0.1, 0.01, 0.001, 0.0001)]
    alone = [row for seed in seeds for row in while_d_learns_alone(seed)]
    after = [
        row
        for seed in seeds
        for optimizer in OPTIMIZERS
        for loss in NAMES
        for row in after_d_has_won(loss, optimizer, seed, steps)
    ]
    last = [row for row in alone if row["d_moves"] == LOOKS[-1]]
    training = medians(after)
    return {
        "settings": {
            "data": "ring",
            "networks": "those of the recipe ring, without penalties",
            "gradient": "mean norm of the loss's gradient at a generated sample",
            "d_moves_alone": LOOKS[-1],
            "optimizers of the generator": OPTIMIZERS,
            "distance": "mean distance of generated samples to the nearest of the 8 modes",
        },
        "slopes": slopes,
        "gradients": alone,
        "training": training,
        "outcome": outcome(last, training[-1]),
        "picture": picture(alone, training, quick),
    }


def slope_row(score: float) -> Row:
    """|d loss / d logit| of both losses where the discriminator gives a fake this score."""
    return {"score_of_fake": score} | {
        said: slopes(name, torch.tensor([score]).logit()).item() for name, said in NAMES.items()
    }


def slopes(loss: str, logits: Tensor) -> Tensor:
    """|d loss / d logit| of the generator's loss, by autograd."""
    logits = logits.double().requires_grad_()
    (gradient,) = torch.autograd.grad(LOSSES[loss].generator(logits).sum(), logits)
    return gradient.abs()


def new_game(seed: int, **overrides: Any) -> State:
    recipe = load_recipe("ring", {"seed": seed, "penalties": [], "steps": STEPS, **overrides})
    return State(GAMES["latent"](recipe, open_data(recipe.data), CPU), recipe, CPU)


def teach_discriminator(state: State, moves: range) -> None:
    """Moves of the discriminator alone, each with its own draws."""
    for repeat in moves:
        make_move(state, state.game.phases[0], repeat, repeat * state.recipe.batch_size)


def while_d_learns_alone(seed: int) -> list[Row]:
    """Gradients at the same generated samples under both losses, as D gets better."""
    state, rows, done = new_game(seed), [], 0
    for moves in LOOKS:
        teach_discriminator(state, range(done, moves))
        done = moves
        row: Row = {"seed": seed, "d_moves": moves}
        for loss, said in NAMES.items():
            score, norm = at_the_fakes(state, loss)
            row |= {"score_of_fakes": score, said: norm}
        rows.append(row)
    return rows


def at_the_fakes(state: State, loss: str) -> tuple[float, float]:
    """D's mean score of generated samples, and the mean norm of the loss's gradient there."""
    phase, size = state.game.phases[1], state.recipe.batch_size
    let_learn(state, phase)
    batch = state.game.batch(
        Move(
            seed=state.recipe.seed,
            step=0,
            samples_seen=0,
            phase=phase.name,
            repeat=0,
            position=0,
            batch_size=size,
            part=slice(0, size),
            learning=frozenset(phase.players),
            differentiates=frozenset(),
            autocast=state.contexts.of_move(frozenset()),
        )
    )
    logits = batch.on_fake.logits
    (gradient,) = torch.autograd.grad(LOSSES[loss].generator(logits).sum(), batch.fake)
    return logits.double().sigmoid().mean().item(), gradient.norm(dim=1).mean().item()


def after_d_has_won(loss: str, optimizer: str, seed: int, steps: int) -> list[Row]:
    """Ordinary training from there: how far the generator gets from where it stood."""
    state = new_game(seed, **{"loss.name": loss}, **OPTIMIZERS[optimizer])
    teach_discriminator(state, range(LOOKS[-1]))
    rows = []
    while True:
        if state.step % LOOK_EVERY == 0:
            place = {"seed": seed, "optimizer": optimizer, "loss": NAMES[loss]}
            rows.append(place | {"steps": state.step, "distance": distance(state)})
        if state.step == steps:
            return rows
        run_step(state)


@torch.no_grad()
def distance(state: State) -> float:
    """Mean distance of generated samples to the nearest mode."""
    modes = state.game.dataset.modes
    z = torch.randn(1000, state.recipe.latent.size, generator=torch.Generator().manual_seed(0))
    return torch.cdist(state.game.players["generator"](z), modes.centers).min(1)[0].mean().item()


def medians(after: list[Row]) -> list[Row]:
    """The middle distance over the seeds at each step, a column for each kind of training."""
    found: dict[int, dict[str, list[float]]] = {}
    for row in after:
        kinds = found.setdefault(row["steps"], {})
        kinds.setdefault(f"{row['loss']}, {row['optimizer']}", []).append(row["distance"])
    return [
        {"steps": steps} | {kind: float(np.median(far)) for kind, far in kinds.items()}
        for steps, kinds in found.items()
    ]


def outcome(last: list[Row], end: Row) -> str:
    """What was seen, in words and the figures of the runs."""
    means = {said: np.mean([row[said] for row in last]) for said in NAMES.values()}
    places = "; ".join(f"{kind}: {far:.2f}" for kind, far in end.items() if kind != "steps")
    return (
        f"After {LOOKS[-1]} moves of D alone the mean gradient at a fake is "
        f"{means['saturating']:.2g} (saturating) and {means['non-saturating']:.2g} "
        f"(non-saturating). Middle distance to a mode {end['steps']} steps later: {places}."
    )


def picture(alone: list[Row], after: list[Row], quick: bool) -> str:
    """The slopes by D's confidence, the gradients as D learns alone, and what becomes of G."""
    figure, (by_score, by_moves, later) = drawing.sheet(
        "The saturating loss gives up when the discriminator wins",
        "its slope is D's score of the fake: nothing once D is sure; Adam rescales what is left, "
        "plain SGD does not",
        ("The loss's slope", "Gradient at the fakes", "Distance to the data, then"),
    )
    logits, ends = torch.linspace(-9, 4, 131), []
    for loss, said in NAMES.items():
        by_score.plot(logits, slopes(loss, logits), color=COLORS[said], linewidth=2.2)
        drawing.name(by_score, said, COLORS[said], -9, 0.06 if loss != "logistic" else 0.9)
        moves = [row["d_moves"] for row in alone if row["seed"] == 0]
        norms = [np.median([r[said] for r in alone if r["d_moves"] == at]) for at in moves]
        by_moves.plot(moves, norms, color=COLORS[said], linewidth=2.2, marker="o", markersize=4)
        place = (moves[-1], norms[-1] / 2) if loss == "logistic" else (70, 5e-4)
        drawing.name(by_moves, said, COLORS[said], *place, ha="right")
        for optimizer, dash in (("adam", (1, 0)), ("sgd", (3, 2))):
            steps = [row["steps"] for row in after]
            far = [row[f"{said}, {optimizer}"] for row in after]
            later.plot(steps, far, color=COLORS[said], linewidth=2.2, dashes=dash)
            ends.append((f"{said}\n{NAMED[optimizer]}", COLORS[said], far[-1]))
    ticks = [0.0001, 0.01, 0.5, 0.95]
    by_score.set_xticks(torch.tensor(ticks).logit().tolist(), [f"{tick:g}" for tick in ticks])
    drawing.across(by_score, "D's score of the fake (0: surely fake)")
    by_moves.set_yscale("log")
    drawing.across(by_moves, "moves of D, which learns alone")
    later.set_ylim(bottom=0)
    drawing.name_ends(later, ends)
    drawing.across(later, "steps in which both learn")
    return drawing.save(figure, "claim-vanishing", quick)
