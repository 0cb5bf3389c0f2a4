"""Seconds of training until samples are as good as a bound: recipes and the tutorials' programs.

    python -m benchmarks.time_to_quality [--quick] [--only fashion-mnist mnist5k]
        [--who digits tutorial-mlp ...] [--seeds 0 1 2] [--again]

The clock of a run stands while samples are made and scored. Each look scores 2,000 samples by FID:
on Fashion-MNIST against the 10,000 test images on the features of a classifier that learned the
ten classes, on mnist5k against its test split on the package's. A bound counts as reached at the
first look below it. The tutorials' bounds are what their programs reach themselves: the MLP after
30 epochs, the DCGAN after 5 minutes. Each run has a process of its own. One that is in the results
already is not repeated without --again; what is drawn and compared are all runs there are.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from benchmarks import common
from benchmarks.time_to_quality import curves
from benchmarks.time_to_quality.runs import SETTINGS, run
from benchmarks.time_to_quality.trainees import RECIPES, TUTORIALS

NAME = "time_to_quality"


def main() -> None:
    parser = common.arguments(__doc__)
    everyone = [*RECIPES, *TUTORIALS]
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--who", nargs="+", choices=everyone, default=everyone)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--again", action="store_true", help="also runs that are there already")
    options = parser.parse_args()
    for data in options.only:
        for seed in options.seeds:
            for who in options.who:
                runs = saved_runs(data, options.quick)
                if (who, seed) in runs and not options.again:
                    continue
                with ProcessPoolExecutor(1, get_context("spawn")) as own:
                    found = own.submit(run, data, who, seed, options.quick)
                    runs[who, seed] = found.result()
                save(data, runs, options.quick)
        runs = saved_runs(data, options.quick)
        print(save(data, runs, options.quick))
        curves.show(data, list(runs.values()))


def saved_runs(data: str, quick: bool) -> dict[tuple[str, int], dict[str, Any]]:
    """The runs that were made before, by who and seed."""
    part = common.saved_part(NAME, data, quick)
    return {(one["who"], one["seed"]): one for one in part["runs"]} if part else {}


def save(data: str, runs: dict[tuple[str, int], dict[str, Any]], quick: bool) -> str:
    """Write all runs of a data set, what follows from them, and their picture."""
    order = [*RECIPES, *TUTORIALS]
    found = sorted(runs.values(), key=lambda one: (order.index(one["who"]), one["seed"]))
    result = curves.result(data, found) | {
        "picture": curves.picture(data, found, quick),
        "machine": common.machine(),
    }
    return str(common.save_result(NAME, result, quick, data))


if __name__ == "__main__":
    main()
