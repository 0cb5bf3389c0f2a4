"""Growing against training at full size from the start, and what a growth changes at its start.

    python -m benchmarks.progressive [--quick] [--only grown full exact sizes]

`grown` is the recipe as shipped, `full` the same with `growth.start=28`: as many samples, networks
and settings are the same. Distance (FID on the shipped classifier's features), precision and recall
are those of 1,000 samples of the averaged generator against 1,000 digits that no GAN trained on;
seconds are of training alone. `exact` takes the grown networks and compares, at each resolution,
what they say when it has not faded in with what they say below it, bit for bit. `sizes` counts what
the paper's networks cost at full size.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import common, drawing
from benchmarks.drawing import look
from benchmarks.sizes import RATE
from benchmarks.sizes import sizes as counted_sizes
from sparring.data import open_data, to_network
from sparring.games import LatentGame, latents_of
from sparring.games.latent import latent_game
from sparring.metrics import Scorer
from sparring.networks.growing import Growing
from sparring.recipe import Recipe
from sparring.recipes import load_recipe
from sparring.report import image_grid
from sparring.training import checkpoint
from sparring.training.state import State
from sparring.training.step import run_step

METRICS = ["fid", "precision", "recall"]
SAMPLES, SHOWN, LOOKS = 1000, 12, 16
FIRST_SEED = 10**6
LARGEST = 28  # pixels: a growth that starts there has nowhere to go
COMPARED = 256  # latents and images

Result = dict[str, Any]


def grown(quick: bool) -> Result:
    """The recipe as shipped, and its samples while it grows."""
    state, rows, pictures = trained({}, quick)
    checkpoint.save(state, saved(quick))
    path = (common.QUICK if quick else common.IMAGES) / "progressive-growth.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    image_grid(torch.cat(pictures), columns=SHOWN, scale=3).save(path)
    picture = path.relative_to(common.ROOT.parent).as_posix()
    return described({}, state, rows) | {"growth": picture}


def full(quick: bool) -> Result:
    """All at full size from the start; the picture of both."""
    overrides = {"growth.start": LARGEST}
    state, rows, _ = trained(overrides, quick)
    result = described(overrides, state, rows)
    if before := common.saved_part("progressive", "grown", quick):
        result |= {
            "time_of_grown": round(before["end"]["seconds"] / rows[-1]["seconds"], 3),
            "fid_of_grown": round(before["end"]["fid"] / rows[-1]["fid"], 3),
            "picture": picture({"grown": before["over_time"], "full size": rows}, quick),
        }
    return result


def trained(overrides: Result, quick: bool) -> tuple[State, list[Result], list[Tensor]]:
    """The state at the end, what every look found, and samples at each stage of the growth."""
    if quick:
        overrides = overrides | {"steps": 40, "growth.samples_each": 640}
    recipe = load_recipe("progressive", overrides)
    dataset = open_data(recipe.data)
    state = State(latent_game(recipe, dataset, common.CPU), recipe, common.CPU)
    game, average = state.game, state.ema["generator"].module
    assert isinstance(game, LatentGame)
    assert isinstance(average, Growing)
    scorer, every = Scorer(dataset, "test"), recipe.steps // LOOKS or 1
    rows, pictures, seconds = [], [], 0.0
    while state.step < recipe.steps:
        began = time.perf_counter()
        run_step(state)
        seconds += time.perf_counter() - began
        state.statistics.clear()
        if state.step % every == 0 or state.step == recipe.steps:
            samples = game.sample(average, range(FIRST_SEED, FIRST_SEED + SAMPLES))
            found = scorer.estimates(samples, METRICS)
            row = {
                "step": state.step,
                "samples_seen": state.samples_seen,
                "seconds": round(seconds, 1),
                "pixels": average.resolutions[average.level],
                "faded_in": round(average.alpha, 3),
            }
            rows.append(row | {name: round(one.value, 4) for name, one in found.items()})
            if len(rows) % (LOOKS // 8) == 0:
                pictures.append(samples[:SHOWN])
    return state, rows, pictures


def described(overrides: Result, state: State, rows: list[Result]) -> Result:
    recipe = state.recipe
    kept = {"steps": recipe.steps, "growth": recipe.growth.model_dump()}
    settings = {"overrides": overrides, **kept, "samples": SAMPLES}
    return {"settings": settings, "end": rows[-1], "over_time": rows}


def exact(quick: bool) -> Result:
    """The grown networks at each resolution before it has faded in, against the one below."""
    found = checkpoint.read(saved(quick))
    recipe = load_recipe("progressive", {"steps": found.meta["recipe"]["steps"]})
    dataset = open_data(recipe.data)
    state = State(latent_game(recipe, dataset, common.CPU), recipe, common.CPU)
    checkpoint.restore(state, found)
    images = to_network(dataset.values[dataset.splits["test"][:COMPARED]], common.CPU)
    inputs = {"generator": latents_of(recipe.latent, range(COMPARED)), "discriminator": images}
    rows = []
    for name, given in inputs.items():
        network = state.ema[name].module if name in state.ema else state.game.players[name]
        assert isinstance(network, Growing)
        network.eval()
        for level in range(1, len(network.resolutions)):
            below = said(network, given, level - 1, 1.0)
            new, whole = (said(network, given, level, alpha) for alpha in (0.0, 1.0))
            rows.append(
                {
                    "network": name,
                    "from": network.resolutions[level - 1],
                    "to": network.resolutions[level],
                    "values": below.numel(),
                    "different_at_0": int((new != below).sum()),
                    "mean_change_at_1": round((whole - below).abs().mean().item(), 4),
                }
            )
    most = max(row["different_at_0"] for row in rows)
    return {
        "settings": {"inputs": COMPARED, "precision": "fp32"},
        "rows": rows,
        "goals": [common.goal("values that a growth changes", most, 0, at_least=False)],
    }


def sizes(quick: bool) -> Result:
    """The networks of the paper at each size, fully grown."""

    def at(side: int) -> Recipe:
        width = {f"{player}.width": 16 * 1024 // side for player in ("generator", "discriminator")}
        return load_recipe("progressive", width | {"latent.size": 512, "growth.start": 1024})

    pixels = (64,) if quick else (64, 128, 256, 512, 1024)
    rows = counted_sizes(at, pixels, run_up_to=0 if quick else 64, batch_size=16)
    return {"settings": {"gpu": f"{RATE / 1e12:g} TFLOP/s", "precision": "fp32"}, "rows": rows}


@torch.no_grad()
def said(network: nn.Module, given: Tensor, level: int, alpha: float) -> Tensor:
    assert isinstance(network, Growing)
    network.grow(level, alpha)
    return network(given)


def saved(quick: bool) -> Any:
    """The last state of the grown run, outside the repository."""
    return common.cache() / f"progressive{'-quick' if quick else ''}.safetensors"


def picture(runs: dict[str, list[Result]], quick: bool) -> str:
    """The distance of both over the seconds and over the samples seen."""
    figure, axes = drawing.sheet(
        "Growing: cheap steps first",
        "digits at 28 pixels; the same networks, as many samples, grown from 7 pixels or not",
        ("Distance to held-out digits", "Distance to held-out digits"),
    )
    colors = dict(zip(runs, (look.BLUE, look.VERMILION), strict=True))
    for one, key, said in zip(
        axes, ("seconds", "samples_seen"), ("seconds of training", "samples seen"), strict=True
    ):
        for name, rows in runs.items():
            values = [row["fid"] for row in rows]
            one.plot([row[key] for row in rows], values, color=colors[name], linewidth=2.0)
        one.set_yscale("log")
        drawing.across(one, said)
    ends = [(name, colors[name], rows[-1]["fid"]) for name, rows in runs.items()]
    drawing.name_ends(axes[1], ends)
    return drawing.save(figure, "progressive", quick)


PARTS = {"grown": grown, "full": full, "exact": exact, "sizes": sizes}


def show(name: str, result: Result) -> None:
    for key in ("over_time", "rows", "goals"):
        if key in result:
            print(common.table(result[key], f"{name} {key}"), flush=True)


def main() -> None:
    common.run_parts(__doc__, "progressive", PARTS, show)


if __name__ == "__main__":
    main()
