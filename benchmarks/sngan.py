"""Spectral normalization on digits: singular values at the end, and distances over a long run.

    python -m benchmarks.sngan [--quick] [--only dcgan dcgan-fast dcgan-collapse sngan]

`dcgan` is that recipe with 16 maps, `dcgan-fast` the same at five times the published rates,
`dcgan-collapse` with Adam's first beta at 0.9 besides, one of the settings that Miyato et al. try,
and without an average; `sngan` the recipe as shipped, for at least four times the steps at which
`dcgan-collapse` was best. Distance (FID on the shipped classifier's features), precision and
recall are those of 1,000 samples of the averaged generator against 1,000 digits that no GAN trained
on. PyTorch normalizes the matrix that a kernel unfolds to; beside its largest singular value, by
SVD, stands that of the convolution itself, as an operator on maps of the size that the layer sees,
by power iteration.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

import sparring
from benchmarks import common, drawing
from benchmarks.drawing import look
from sparring.data import open_data
from sparring.games.latent import latent_game
from sparring.networks.layers import at_rest
from sparring.recipes import load_recipe
from sparring.training import checkpoint
from sparring.training.state import State

METRICS = ["fid", "precision", "recall"]
STEPS, LOOK_EVERY = {"plain": 4000, "collapse": 1500, "sngan": 6000}, 250
BOUND, LONGER = 1.02, 4
DCGAN = {"generator.width": 16, "discriminator.width": 16}
PLAYERS = ("generator", "discriminator")
RATES = {f"optimizer.{player}.lr": 1e-3 for player in PLAYERS}
MOMENTUM = {f"optimizer.{player}.betas": [0.9, 0.999] for player in PLAYERS}

PLAIN = ("dcgan", "dcgan-fast", "dcgan-collapse")
COLORS = (look.GREEN, look.ORANGE, look.VERMILION, look.BLUE)

Result = dict[str, Any]


def dcgan(quick: bool) -> Result:
    """The plain recipe, and the step at which it is best."""
    return plain(DCGAN, quick)


def dcgan_fast(quick: bool) -> Result:
    """The same at five times the rates."""
    return plain(DCGAN | RATES, quick)


def dcgan_collapse(quick: bool) -> Result:
    """The same with more momentum: it never covers the digits."""
    return plain(DCGAN | RATES | MOMENTUM | {"ema.half_life": 0}, quick, "collapse")


def plain(overrides: Result, quick: bool, length: str = "plain") -> Result:
    steps = 40 if quick else STEPS[length]
    with common.scratch() as folder:
        _, rows = trained("dcgan", folder / "run", overrides | {"steps": steps}, quick)
    best = min(rows, key=lambda row: row["fid"])
    return {
        "settings": {"overrides": overrides, "steps": steps},
        "peak": best,
        "end": rows[-1],
        "over_time": rows,
    }


def sngan(quick: bool) -> Result:
    """The recipe, its layers at the end, and all distances over time."""
    steps = 40 if quick else STEPS["sngan"]
    with common.scratch() as folder:
        run, rows = trained("sngan", folder / "run", {"steps": steps}, quick)
        layers = stretches(folder / "run")
        common.save_grid(run.sample(40, seed=10**6), "sngan-digits", quick, columns=20)
    before = json.loads(results(quick).read_text())["parts"]
    best = min(rows, key=lambda row: row["fid"])
    largest = max(row["matrix"] for row in layers)
    drift = rows[-1]["fid"] / best["fid"]
    longer = steps / before["dcgan-collapse"]["peak"]["step"]
    return {
        "settings": {"overrides": {}, "steps": steps},
        "peak": best,
        "end": rows[-1],
        "goals": [
            common.goal("largest singular value", round(largest, 4), BOUND, at_least=False),
            common.goal("distance at the end over the best", round(drift, 3), 1.1, at_least=False),
            common.goal("recall at the end", rows[-1]["recall"], 0.5, at_least=True),
            common.goal(
                "steps over the best of dcgan-collapse", round(longer, 2), LONGER, at_least=True
            ),
        ],
        "layers": layers,
        "over_time": rows,
        "picture": picture(
            {name: before[name]["over_time"] for name in PLAIN} | {"sngan": rows}, quick
        ),
    }


def trained(
    recipe: str, folder: Path, overrides: Result, quick: bool
) -> tuple[sparring.Run, list[Result]]:
    """A run and its scores over the steps."""
    every = 20 if quick else LOOK_EVERY
    run = sparring.train(
        recipe,
        out=folder,
        overrides=overrides
        | {
            "evaluation.metrics": METRICS,
            "evaluation.every": every * load_recipe(recipe).batch_size,
            "evaluation.final_samples": 1000,
            "snapshots": 2,
        },
    )
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    rows = [
        {"step": line["step"]} | {name: round(line[f"metric/{name}"], 4) for name in METRICS}
        for line in lines
        if "metric/fid" in line
    ]
    return run, rows


def stretches(folder: Path) -> list[Result]:
    """The largest singular value of every layer of a run's discriminator at its end."""
    recipe, cpu = load_recipe(folder / "recipe.yaml"), torch.device("cpu")
    dataset = open_data(recipe.data)
    state = State(latent_game(recipe, dataset, cpu), recipe, cpu)
    checkpoint.restore(state, checkpoint.read(folder / "checkpoints" / checkpoint.LAST))
    judge, sizes = state.game.players["discriminator"], {}
    layers = {n: m for n, m in judge.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    for name, layer in layers.items():
        layer.register_forward_hook(lambda m, given, out, n=name: sizes.update({n: given[0].shape}))
    with torch.no_grad(), at_rest(judge):
        judge(torch.zeros(1, *dataset.shape))
        return [
            {
                "layer": name,
                "shape": "x".join(map(str, layer.weight.shape)),
                "matrix": round(singular(layer.weight), 4),
                "operator": round(of_operator(layer, sizes[name]), 3),
            }
            for name, layer in layers.items()
        ]


def singular(weight: Tensor) -> float:
    return torch.linalg.matrix_norm(weight.flatten(1).double(), 2).item()


def of_operator(layer: nn.Module, shape: torch.Size, times: int = 200) -> float:
    """How much a layer stretches at most, on inputs [1, C, H, W] of this shape."""
    if not isinstance(layer, nn.Conv2d):
        return singular(layer.weight)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weight, stretch = layer.weight.double(), 0.0
    for _ in range(times):
        y = conv2d(x / x.norm(), weight, None, layer.stride, layer.padding)
        stretch, x = y.norm().item(), conv_transpose2d(y, weight, None, layer.stride, layer.padding)
    return stretch


def picture(runs: dict[str, list[Result]], quick: bool) -> str:
    """Distance and recall of all over the steps."""
    figure, axes = drawing.sheet(
        "A normalized discriminator keeps its course",
        "digits; DCGAN at two rates and with more momentum, and the recipe sngan",
        ("Distance to held-out digits", "Recall"),
    )
    for one, metric in zip(axes, ("fid", "recall"), strict=True):
        for rows, color in zip(runs.values(), COLORS, strict=True):
            values = [row[metric] for row in rows]
            one.plot([row["step"] for row in rows], values, color=color, linewidth=2.0)
        if metric == "fid":
            one.set_yscale("log")
        drawing.across(one, "steps")
    ends = [(n, c, rows[-1]["recall"]) for (n, rows), c in zip(runs.items(), COLORS, strict=True)]
    drawing.name_ends(axes[1], ends)
    return drawing.save(figure, "sngan", quick)


def results(quick: bool) -> Path:
    return (common.QUICK if quick else common.RESULTS) / "sngan.json"


PARTS = {
    "dcgan": dcgan,
    "dcgan-fast": dcgan_fast,
    "dcgan-collapse": dcgan_collapse,
    "sngan": sngan,
}


def show(name: str, result: Result) -> None:
    print(common.table(result["over_time"], name))
    for key in ("goals", "layers"):
        if key in result:
            print(common.table(result[key], key))


def main() -> None:
    common.run_parts(__doc__, "sngan", PARTS, show)


if __name__ == "__main__":
    main()
