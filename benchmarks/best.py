"""Is the kept checkpoint better than the last one? On data that took no part in choosing.

    python -m benchmarks.best [--quick] [--only digits ...]

A part is a recipe, over several seeds. The first metric of the recipe (`kid`) chooses among the
checkpoints that were scored on the selection split; here the averaged generators of `best` and
`last` make samples from the same latents, which the run never used, and are compared with the test
split. The part `summary` is made anew from all others each time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

import sparring
from benchmarks import common, drawing
from benchmarks.drawing import look
from sparring.api import Run
from sparring.data import open_data
from sparring.games import generate, latents_of
from sparring.games.latent import G
from sparring.metrics import Scorer
from sparring.recipes import load_recipe
from sparring.training import checkpoint

SAMPLES = 5000
FIRST_SEED = 10**6
SUMMARY = "summary"

Row = dict[str, Any]


def every(steps: int, batch_size: int, times: int = 12) -> Row:
    """The overrides that score a run of so many steps so many times."""
    each = steps * batch_size // times
    return {"steps": steps, "batch_size": batch_size, "snapshots": 1, "evaluation.every": each}


NO_AVERAGE: Row = {"ema.half_life": 0}
THIN: Row = {"generator.width": 16, "discriminator.width": 16}
PLAIN: Row = {"evaluation.metrics": ["kid"], "penalties": []}
# Recipe and overrides; without an average the generator ships as it stands at a step.
SHORT: dict[str, tuple[str, Row]] = {
    "digits": ("digits", every(3400, 64)),
    "digits-no-r1": ("digits", every(1700, 64) | {"penalties": []}),
    "dcgan-no-average": ("dcgan", every(800, 64) | THIN | NO_AVERAGE),
    "ring-no-penalties": ("ring", every(1200, 128) | PLAIN),
    "patterns-no-penalties": ("patterns", every(1200, 128) | PLAIN),
    "gaussian": ("gaussian", every(1500, 256)),
    "grid-no-penalties": ("grid", every(1200, 128) | PLAIN),
}
SEEDS = 3


def part_of(name: str) -> Callable[[bool], Row]:
    recipe, overrides = SHORT[name]

    def part(quick: bool) -> Row:
        changed = overrides | ({"steps": 200, "evaluation.every": 3000} if quick else {})
        runs = []
        for seed in range(1 if quick else SEEDS):
            runs.append(one_run(recipe, changed | {"seed": seed}))
            print(runs[-1], flush=True)
        return {
            "settings": {
                "recipe": recipe,
                "overrides": changed,
                "chosen by": load_recipe(recipe, changed).evaluation.metrics[0],
                "samples": SAMPLES,
                "ratio": "kid of the last checkpoint over that of the kept one",
                "data": "the test split, which neither trained nor chose",
            },
            "runs": runs,
        }

    return part


def one_run(recipe: str, overrides: Row) -> Row:
    """Train once; both checkpoints' distances to the test split."""
    with common.scratch() as folder:
        started = time.perf_counter()
        run = sparring.train(recipe, out=folder / "run", overrides=overrides)
        seconds = time.perf_counter() - started
        data = open_data(load_recipe(recipe).data)
        metrics = ("kid", "fid" if data.is_images else "wasserstein")
        scorer = Scorer(data, "test")
        steps, found = {}, {}
        for which, path in (("best", checkpoint.BEST), ("last", checkpoint.LAST)):
            samples, steps[which] = drawn(run, run.folder.checkpoints / path)
            found[which] = scorer.score(samples, metrics)
        scored = sum("metric/kid" in tick for tick in run.folder.read_history())
    row: Row = {
        "seed": overrides["seed"],
        "seconds": round(seconds, 1),
        "scored": scored,
        "best_step": steps["best"],
        "last_step": steps["last"],
    }
    for name in metrics:
        best, last = (found[which][name] for which in ("best", "last"))
        row |= {f"{name}_best": best.value, f"{name}_last": last.value}
    best, last = row["kid_best"], row["kid_last"]
    # An unbiased distance may be 0 or less where nothing is left to improve.
    return row | {"ratio": round(last / best, 3) if min(best, last) > 0 else None}


def drawn(run: Run, path: Path) -> tuple[Tensor, int]:
    """Samples of a checkpoint's averaged generator, and its step."""
    found = checkpoint.read(path)
    generator: nn.Module = sparring.load(run.path)
    generator.load_state_dict(checkpoint.player_tensors(found, G))
    recipe = load_recipe(run.folder.recipe)
    z = latents_of(recipe.latent, range(FIRST_SEED, FIRST_SEED + SAMPLES))
    images = len(open_data(recipe.data).shape) == 3
    return generate(generator, z, images), found.meta["step"]


def summarize(quick: bool) -> None:
    """The part `summary`: how often the kept one is nearer than the last, and by how much."""
    path = (common.QUICK if quick else common.RESULTS) / "best.json"
    parts = json.loads(path.read_text())["parts"]
    parts.pop(SUMMARY, None)
    rows = [row_of(name, part["runs"]) for name, part in parts.items()]
    rows.append(row_of("all", [run for part in parts.values() for run in part["runs"]]))
    total = rows[-1]
    outcome = (
        f"Of {total['runs']} runs {total['kept_earlier']} kept a checkpoint before the last; on "
        f"test data {total['nearer']} of these were nearer than the last one by the metric that "
        f"chose, {total['nearer_by_another']} by another one."
    )
    if total["ratio"] is not None:
        outcome += (
            f" The last was {total['ratio']:.3g} times as far as the kept one in the middle, "
            f"{total['ratio_min']:.3g} to {total['ratio_max']:.3g} times in all."
        )
    result = {"rows": rows, "outcome": outcome, "picture": picture(parts, quick)}
    common.save_result("best", result, quick, SUMMARY)
    print(common.table(rows, "best against last"))
    print(outcome)


def row_of(name: str, runs: list[Row]) -> Row:
    """Counts and ratios over runs."""
    earlier = [run for run in runs if run["best_step"] < run["last_step"]]
    ratios = [run["ratio"] for run in earlier if run["ratio"]]
    return {
        "part": name,
        "runs": len(runs),
        "kept_earlier": len(earlier),
        "nearer": sum(run["kid_best"] < run["kid_last"] for run in earlier),
        "farther": sum(run["kid_best"] > run["kid_last"] for run in earlier),
        "nearer_by_another": sum(another(run, "best") < another(run, "last") for run in earlier),
        "ratio": float(np.median(ratios)) if ratios else None,
        "ratio_min": min(ratios, default=None),
        "ratio_max": max(ratios, default=None),
    }


def another(run: Row, which: str) -> float:
    """The distance that did not choose."""
    distance: float = run.get(f"fid_{which}") or run[f"wasserstein_{which}"]
    return distance


def picture(parts: dict[str, Row], quick: bool) -> str:
    """A dot a run: the last checkpoint's distance over the kept one's, by recipe."""
    figure, (axes,) = drawing.sheet(
        "Is the kept checkpoint nearer than the last one?",
        "distance to test data, that of the last checkpoint over that of the kept one",
        ("A dot a run",),
        right=0.97,
        left=0.2,
    )
    for place, (name, part) in enumerate(parts.items()):
        color = look.ORANGE if "-no-" in name else look.BLUE
        ratios = [run["ratio"] for run in part["runs"] if run["ratio"]]
        axes.plot(ratios, [place] * len(ratios), "o", color=color, markersize=9, alpha=0.7)
    axes.axvline(1, color=look.MUTED, linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(parts)), parts, size=10.5, weight="bold")
    axes.set_ylim(len(parts) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    drawing.across(axes, "times as far")
    return drawing.save(figure, "best-or-last", quick)


def show(part: str, result: Row) -> None:
    print(common.table(result["runs"], part))


def main() -> None:
    options = common.run_parts(__doc__, "best", {name: part_of(name) for name in SHORT}, show)
    summarize(options.quick)


if __name__ == "__main__":
    main()
