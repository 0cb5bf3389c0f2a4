"""Spectral normalization on digits: singular values at the end, and a run that does not collapse.

    python -m benchmarks.sngan [--quick] [--only dcgan dcgan-fast sngan]

`dcgan` is that recipe with 16 maps, which at its published rates gets better for longer than this
looks; `dcgan-fast` has five times these rates. `sngan` is the recipe, four times as long as the
latter takes to its best. Distance
(FID on the shipped classifier's features), precision and recall are those of 1,000 samples of the
averaged generator against 1,000 digits that no GAN trained on. PyTorch normalizes the matrix that a
kernel unfolds to; beside its largest singular value, by SVD, stands that of the convolution itself,
as an operator on maps of the size that the layer sees, by power iteration.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

import sparring
from benchmarks import common
from benchmarks.claims import drawing
from benchmarks.claims.drawing import look
from sparring.data import open_data
from sparring.games.latent import latent_game
from sparring.networks.layers import at_rest
from sparring.recipes import load_recipe
from sparring.training import checkpoint
from sparring.training.state import State

METRICS = ["fid", "precision", "recall"]
DCGAN_STEPS, LOOK_EVERY, LONGER = 4000, 250, 4
BOUND = 1.02
DCGAN = {"generator.width": 16, "discriminator.width": 16}

Result = dict[str, Any]


def dcgan(quick: bool) -> Result:
    """The plain recipe, and the step at which it is best."""
    return plain(DCGAN, quick)


def dcgan_fast(quick: bool) -> Result:
    """The same at five times the rates."""
    rates = {f"optimizer.{player}.lr": 1e-3 for player in ("generator", "discriminator")}
    return plain(DCGAN | rates, quick)


def plain(overrides: Result, quick: bool) -> Result:
    steps = 40 if quick else DCGAN_STEPS
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
    """Four times as long, its layers at the end, and both distances over time."""
    before = json.loads(results(quick).read_text())["parts"]["dcgan-fast"]
    steps = LONGER * before["peak"]["step"]
    with common.scratch() as folder:
        path = folder / "run"
        run, rows = trained("sngan", path, {"steps": steps}, quick)
        layers = stretches(path)
        common.save_grid(run.sample(40, seed=10**6), "sngan-digits", quick, columns=20)
    best = min(rows, key=lambda row: row["fid"])
    largest = max(row["matrix"] for row in layers)
    late = [row["fid"] for row in rows if row["step"] > steps / 2]
    result = {
        "settings": {"steps": steps},
        "best": best,
        "end": rows[-1],
        "goals": [
            common.goal("largest singular value", round(largest, 4), BOUND, at_least=False),
            common.goal(
                "distance at the end / best",
                round(rows[-1]["fid"] / best["fid"], 2),
                1.5,
                at_least=False,
            ),
            common.goal(
                "largest distance in the second half / the best of dcgan-fast",
                round(max(late) / before["peak"]["fid"], 2),
                1.5,
                at_least=False,
            ),
            common.goal("recall at the end", rows[-1]["recall"], 0.3, at_least=True),
        ],
        "layers": layers,
        "over_time": rows,
    }
    return result | {"picture": picture(before["over_time"], rows, quick)}


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


def picture(fast: list[Result], normalized: list[Result], quick: bool) -> str:
    """Distance and recall of both over the steps."""
    figure, axes = drawing.sheet(
        "Four times as long, without collapse",
        "digits; DCGAN and a residual network with a spectrally normalized discriminator",
        ("Distance to held-out digits", "Recall"),
    )
    for one, metric in zip(axes, ("fid", "recall"), strict=True):
        ends = []
        for said, rows, color in (
            ("dcgan, fast", fast, look.VERMILION),
            ("sngan", normalized, look.BLUE),
        ):
            values = [row[metric] for row in rows]
            one.plot([row["step"] for row in rows], values, color=color, linewidth=2.0)
            ends.append((said, color, values[-1]))
        if metric == "fid":
            one.set_yscale("log")
        drawing.name_ends(one, ends)
        drawing.across(one, "steps")
    return drawing.save(figure, "sngan", quick)


def results(quick: bool) -> Path:
    return (common.QUICK if quick else common.RESULTS) / "sngan.json"


PARTS = {"dcgan": dcgan, "dcgan-fast": dcgan_fast, "sngan": sngan}


def show(name: str, result: Result) -> None:
    print(common.table(result["over_time"], name))
    for key in ("goals", "layers"):
        if key in result:
            print(common.table(result[key], key))


def main() -> None:
    common.run_parts(__doc__, "sngan", PARTS, show)


if __name__ == "__main__":
    main()
