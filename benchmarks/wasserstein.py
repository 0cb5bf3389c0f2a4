"""Does a Wasserstein critic's estimate tell how good the samples are, and what bounds the critic?

    python -m benchmarks.wasserstein [--quick] [--only wgan wgan-gp wgan-even wgan-batch]

The recipes as shipped, shorter and without an average, so that what is scored is what the critic
judges. The estimate is the mean score of real minus that of generated digits over a tick, the
distance FID on a classifier's features at its end, with digits held out from training. A clipped
critic estimates a multiple of the distance, its slope, which changes as its weights reach their
bounds: it is measured on the way, where the gradient penalty would look, and the estimate divided
by it stands beside the estimate itself. The settings of `wgan` were chosen on seeds 0 and 1; its
figures are those of seeds that were not looked at before.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

import sparring
from benchmarks import common
from benchmarks.toys import described
from benchmarks.wasserstein_pictures import picture
from sparring.api import Run
from sparring.data import open_data, to_network
from sparring.networks import build_discriminator, build_generator
from sparring.objectives import Term
from sparring.objectives.penalties import squared_gradient_norm
from sparring.recipe import Data
from sparring.recipes import load_recipe
from sparring.training import checkpoint
from sparring.training.precision import choose_device

STEPS = {"wgan": 1500, "wgan-gp": 250, "wgan-even": 500, "wgan-batch": 500}
FIRST_SEED = {"wgan": 3}
TICKS, SEEDS = 25, 3
SLOPE, SLOPE_EVERY = "loss/discriminator/slope", 5
LEFT_OUT = 0.1  # share of the ticks at the start, in which the critic itself is still learning
POINTS = 1024  # between real and generated digits, where slopes are measured
NEAR_BOUND = 0.01  # share of the bound
CPU = choose_device("cpu")
EVEN = {"optimizer.discriminator.lr": 3e-4}  # as fast as the generator, which the paper's are
PUBLISHED_BOUND = {"clip_weights": 0.01}
# What each part changes in its recipe; the last two are what else was tried with clipping.
CHANGED: dict[str, dict[str, Any]] = {
    "wgan": {},
    "wgan-gp": {},
    "wgan-even": EVEN | PUBLISHED_BOUND,
    "wgan-batch": EVEN | PUBLISHED_BOUND | {"discriminator.normalization": "batch"},
}

Row = dict[str, Any]


def main() -> None:
    parts = {"wgan": wgan, "wgan-gp": wgan_gp, "wgan-even": wgan_even, "wgan-batch": wgan_batch}
    common.run_parts(__doc__, "wasserstein", parts, show)


def wgan(quick: bool) -> Row:
    """Clipped weights: do they pile up at the bounds?"""
    result, weights = clipped("wgan", quick)
    drawn = picture("wgan", result["runs"], result["ticks"], LEFT_OUT, quick, weights)
    return result | {"picture": drawn}


def wgan_even(quick: bool) -> Row:
    """The same with one rate for both players, as the paper has it."""
    return clipped("wgan-even", quick)[0]


def clipped(part: str, quick: bool) -> tuple[Row, Tensor]:
    """The figures of a clipped critic, and its weights [seeds, n] in units of the bound."""
    bound = load_recipe("wgan").clip_weights
    assert bound is not None
    runs, ticks, weights = [], [], []
    for run, row, ticked in trained(part, quick):
        critic = last_players(run)["discriminator"]
        values = torch.cat([p.detach().flatten() for p in critic.parameters()])
        weights.append(values / bound)
        row["weights_at_bounds"] = round(at_bounds(values / bound), 4)
        runs.append(row | slopes(run))
        ticks += ticked
    # Spread evenly between the bounds, this share of the weights would be as near to them.
    result = summary(part, runs, ticks, quick) | {"weights_at_bounds_if_uniform": NEAR_BOUND}
    return result, torch.stack(weights)


def wgan_gp(quick: bool) -> Row:
    """The gradient penalty: are the slopes between real and generated digits near 1?"""
    runs, ticks = [], []
    for run, row, ticked in trained("wgan-gp", quick):
        runs.append(row | slopes(run))
        ticks += ticked
    result = summary("wgan-gp", runs, ticks, quick)
    for key, bound, at_least in (
        ("slope_mean", 0.8, True),
        ("slope_mean", 1.2, False),
        ("slope_p10", 0.8, True),
        ("slope_p90", 1.2, False),
    ):
        worst = (min if at_least else max)(run[key] for run in runs)
        result["goals"].append(common.goal(f"{key}, worst seed", worst, bound, at_least))
    return result | {"picture": picture("wgan-gp", runs, ticks, LEFT_OUT, quick)}


def wgan_batch(quick: bool) -> Row:
    """One seed of `wgan` with batch normalization in the critic, as published."""
    runs, ticks = [], []
    for _, row, ticked in trained("wgan-batch", quick, seeds=1):
        runs.append(row)
        ticks += ticked
    result = summary("wgan-batch", runs, ticks, quick)
    del result["goals"]
    (row,) = runs
    result["outcome"] = (
        f"With batch normalization in the clipped critic FID falls from {row['fid_first']:.0f} to "
        f"{row['fid_last']:.0f}, the critic's estimate goes from {row['estimate_first']:.3g} to "
        f"{row['estimate_last']:.3g}: Spearman {row['spearman_levels']:.2f} as it is, "
        f"{row['spearman_levels_scaled']:.2f} divided by the slope."
    )
    return result


def trained(part: str, quick: bool, seeds: int = SEEDS) -> Any:
    """Each seed's run, its correlations and its ticks."""
    name = recipe_of(part)
    first = FIRST_SEED.get(part, 0)
    for seed in range(first, first + (1 if quick else seeds)):
        overrides = settings(part, quick) | {"seed": seed}
        with common.scratch() as folder:
            more = [slope(min(SLOPE_EVERY, overrides["tick"]))] if name == "wgan" else []
            run = sparring.train(name, out=folder / "run", overrides=overrides, penalties=more)
            history = run.folder.read_history()
            ticks = [
                {
                    "seed": seed,
                    "steps": line["step"],
                    "estimate": line["score/real"] - line["score/fake"],
                    "fid": line["metric/fid"],
                    "kid": line["metric/kid"],
                }
                for line in history
            ]
            for told, line in zip(ticks, history, strict=True):
                if SLOPE in line:
                    told |= {"slope": line[SLOPE], "scaled": told["estimate"] / line[SLOPE]}
            row = {"seed": seed, "seconds": run.summary["seconds"]} | correlations(ticks)
            print(row, flush=True)
            yield run, row, ticks


def recipe_of(part: str) -> str:
    return "wgan-gp" if part == "wgan-gp" else "wgan"


def slope(every: int) -> Term:
    """The mean slope of the critic between real and fake: told in the history, taught nothing."""

    def norms(batch: Any) -> Tensor:
        share = batch.uniform("slope", (1, 1, 1))
        points = torch.lerp(batch.fake, batch.real, share).detach().requires_grad_()
        logits = batch.judge("slope", points, batch.labels).logits
        return squared_gradient_norm(logits, points).detach().sqrt()

    wanted = frozenset({"slope"})
    return Term("slope", norms, weight=0.0, every=every, differentiates=wanted)


def settings(part: str, quick: bool) -> Row:
    steps, tick = (12, 2) if quick else (STEPS[part], STEPS[part] // TICKS)
    return CHANGED[part] | {
        "steps": steps,
        "tick": tick,
        "snapshots": 1,
        "ema.half_life": 0,
        "evaluation.every": tick * load_recipe(recipe_of(part)).batch_size,
        "evaluation.final_samples": 200,
    }


def correlations(ticks: list[Row]) -> Row:
    """How estimate and distance go together, in levels and in changes from tick to tick."""
    kept = ticks[int(np.ceil(LEFT_OUT * len(ticks))) :]
    estimate, fid = (np.array([tick[key] for tick in kept]) for key in ("estimate", "fid"))
    told = {"": estimate}
    if "scaled" in kept[0]:
        told["_scaled"] = np.array([tick["scaled"] for tick in kept])
    found: Row = {"ticks": len(kept)}
    for which, values in told.items():
        found[f"spearman_levels{which}"] = round(spearman(values, fid), 3)
        found[f"spearman_changes{which}"] = round(spearman(np.diff(values), np.diff(fid)), 3)
    return found | {
        "estimate_first": round(float(estimate[0]), 4),
        "estimate_last": round(float(estimate[-1]), 4),
        "fid_first": round(float(fid[0]), 1),
        "fid_last": round(float(fid[-1]), 1),
    }


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """The correlation of the ranks; there are no ties among measured figures."""
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def last_players(run: Run) -> dict[str, torch.nn.Module]:
    """Critic and generator as they are at the end of a run, in training mode."""
    recipe = load_recipe(run.folder.recipe)
    shape = open_data(Data()).shape
    players = {
        "discriminator": build_discriminator(recipe.discriminator, shape, seed=0),
        "generator": build_generator(recipe.generator, recipe.latent.size, shape, seed=0),
    }
    tensors = checkpoint.read(run.folder.checkpoints / checkpoint.LAST).tensors
    for name, player in players.items():
        prefix = f"player/{name}/"
        own = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
        player.load_state_dict(own)
    return players


def at_bounds(weights: Tensor) -> float:
    """The share of weights, in units of the bound, that lie within 1% of it."""
    return (weights.abs() >= 1 - NEAR_BOUND).float().mean().item()


def slopes(run: Run) -> Row:
    """The last critic's gradient norms between training digits and the last generator's, batch by
    batch as the penalty meets them."""
    recipe, digits = load_recipe(run.folder.recipe), open_data(Data())
    players = last_players(run)
    draw = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(digits.splits["train"]), generator=draw)[:POINTS]
    norms = []
    for real in to_network(digits.split("train")[chosen], CPU).split(recipe.batch_size):
        z = torch.randn(len(real), recipe.latent.size, generator=draw)
        fake = players["generator"](z).detach()
        share = torch.rand(len(real), 1, 1, 1, generator=draw)
        points = torch.lerp(fake, real, share).requires_grad_()
        squared = squared_gradient_norm(players["discriminator"](points), points)
        norms.append(squared.detach().sqrt())
    found = torch.cat(norms)
    low, high = np.quantile(found.numpy(), [0.1, 0.9])
    return {
        "slope_mean": round(found.mean().item(), 3),
        "slope_p10": round(float(low), 3),
        "slope_p90": round(float(high), 3),
    }


def summary(name: str, runs: list[Row], ticks: list[Row], quick: bool) -> Row:
    """Settings, runs, the goal, and what was seen in words."""
    lowest = min(run["spearman_levels"] for run in runs)
    changes = [run["spearman_changes"] for run in runs]
    return {
        "settings": {
            "overrides": settings(name, quick),
            "recipe": described(recipe_of(name)),
            "left_out": LEFT_OUT,
            "points": POINTS,
        },
        "runs": runs,
        "ticks": ticks,
        "goals": [common.goal("Spearman of levels, lowest seed", lowest, 0.8, at_least=True)],
        "outcome": (
            f"{name}: Spearman's correlation of the critic's estimate with FID is {lowest:.2f} or "
            f"more; that of their changes from tick to tick {min(changes):.2f} to "
            f"{max(changes):.2f}."
        ),
    }


def show(part: str, result: Row) -> None:
    print(common.table(result["runs"], part))
    if "goals" in result:
        print(common.table(result["goals"]))
    print(result["outcome"])


if __name__ == "__main__":
    main()
