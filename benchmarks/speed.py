"""Milliseconds a step: the package, a bare loop of the same operations, the tutorial's loop, fp32.

    python -m benchmarks.speed [--quick] [--only mlp-mnist ...] [--rounds 20]

All take turns in one process. A round is one tick's number of steps of each, in random order, so
that each round of the package holds exactly one tick; figures are medians over rounds of the
ratios within a round, with 95% bootstrap bounds. Steps of `gaussian` take a millisecond or two,
where dispatch dominates: they are reported without a goal.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn.functional import interpolate

from benchmarks import bare, common, tutorial
from sparring.data import Dataset, open_data
from sparring.games import GAMES
from sparring.observers import History, Referee
from sparring.recipe import Data, Recipe
from sparring.recipes import load_recipe
from sparring.run import RunFolder
from sparring.training.loop import train
from sparring.training.state import State

CPU = common.CPU
NAMES = ("mlp-mnist", "dcgan", "gaussian")
MNIST_SIZE, DCGAN_SIZE = 60_000, 3_000
ENDLESS = {"steps": 10**9, "evaluation.every": 0, "evaluation.metrics": []}
Run = Callable[[int], None]


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--rounds", type=int, help="[20; three times as many for gaussian]")
    options = parser.parse_args()
    for name in options.only:
        rounds = options.rounds or (3 if options.quick else 60 if name == "gaussian" else 20)
        watch = common.Watch()
        result = measure(name, rounds, options.quick) | {"machine": watch.record()}
        path = common.save_result("speed", result, options.quick, name)
        show(name, result)
        print(path, flush=True)


def measure(name: str, rounds: int, quick: bool) -> dict[str, Any]:
    """Time all contenders of one recipe's networks in interleaved rounds."""
    dataset = data_of(name)
    recipe = recipe_of(name)
    steps = 2 if quick and name == "dcgan" else recipe.tick
    recipe.tick = steps
    rates = {str(d): common.matmul_rates(d, size=2048) for d in (torch.float32, torch.bfloat16)}
    with common.scratch() as folder:
        contenders = {
            "sparring": package(recipe, dataset, RunFolder(folder / "auto")),
            "bare loop": turns(bare.bare_steps(recipe, dataset)),
            "tutorial": turns(tutorial_of(name, recipe, dataset)),
        }
        if name != "gaussian":
            fp32 = recipe_of(name, "fp32")
            fp32.tick = steps
            contenders["sparring, fp32"] = package(fp32, dataset, RunFolder(folder / "fp32"))
        times = interleaved(contenders, steps, rounds)
    return summary(name, times) | {
        "matmul_gflops": {key.removeprefix("torch."): common.spread(r) for key, r in rates.items()},
        "settings": {
            "rounds": rounds,
            "steps_a_round": steps,
            "batch_size": recipe.batch_size,
            "shape": list(dataset.shape),
            "samples": len(dataset.values),
            "generator": recipe.generator.model_dump(),
            "discriminator": recipe.discriminator.model_dump(),
        },
    }


def data_of(name: str) -> Dataset:
    """As many digits as MNIST has, or coloured ones of 64x64, or numbers."""
    if name == "gaussian":
        return open_data(Data(name="gaussian"))
    digits = open_data(Data()).values
    if name == "mlp-mnist":
        values = digits.repeat(MNIST_SIZE // len(digits), 1, 1, 1)
    else:
        large = interpolate(digits[:DCGAN_SIZE].float(), size=(64, 64), mode="bilinear")
        tints = torch.rand(len(large), 3, 1, 1, generator=torch.Generator().manual_seed(0))
        values = (large * tints).to(torch.uint8)
    every = torch.arange(len(values))
    return Dataset(f"{name} digits", values, {"train": every, "select": every, "test": every})


def recipe_of(name: str, precision: str | None = None) -> Recipe:
    overrides: dict[str, Any] = dict(ENDLESS)
    if name == "gaussian":
        overrides["penalties"] = []  # as the tutorial has it
    if precision:
        overrides |= {"precision.generator": precision, "precision.discriminator": precision}
    recipe = load_recipe(name, overrides)
    assert not recipe.penalties, "the bare loop has none"
    return recipe


def package(recipe: Recipe, dataset: Dataset, folder: RunFolder) -> Run:
    """The package's own loop with what looks at every tick: the referee and the history."""
    folder.create()
    state = State(GAMES[recipe.game](recipe, dataset, CPU), recipe, CPU)
    referee = Referee(state, dataset)
    observers = [referee, History(folder, referee)]

    def run(steps: int) -> None:
        end = state.step + steps
        train(state, observers, lambda: state.step >= end)

    return run


def tutorial_of(name: str, recipe: Recipe, dataset: Dataset) -> Iterator[Any]:
    """The tutorial's loop on the tutorial's networks."""
    latent, batch_size = recipe.latent.size, recipe.batch_size
    if name == "gaussian":
        return tutorial.number_steps(*tutorial.number_networks(latent), ENDLESS["steps"])
    make = tutorial.mlp_networks if name == "mlp-mnist" else tutorial.dcgan_networks
    return tutorial.picture_steps(dataset.values, *make(latent), latent, batch_size)


def turns(steps: Iterator[Any]) -> Run:
    """So many steps of a loop at a time."""

    def run(count: int) -> None:
        for _ in range(count):
            next(steps)

    return run


def interleaved(contenders: dict[str, Run], steps: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds a step of each contender in each round, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    shuffle = random.Random(0)
    for run in contenders.values():
        run(steps)
    for _ in range(rounds):
        for name in shuffle.sample(list(contenders), len(contenders)):
            seconds = common.timed(lambda run=contenders[name]: run(steps))
            times[name].append(seconds / steps * 1000)
    return times


def summary(name: str, times: dict[str, list[float]]) -> dict[str, Any]:
    """Medians, ratios with their bounds, and the goals."""

    def ratio(over: str, under: str) -> dict[str, float]:
        pairs = zip(times[over], times[under], strict=True)
        return common.bootstrap_median([one / other for one, other in pairs])

    overhead = {key: value - 1 for key, value in ratio("sparring", "bare loop").items()}
    result: dict[str, Any] = {
        "ms_per_step": {key: common.spread(values, digits=3) for key, values in times.items()},
        "overhead": overhead,
        "speed_up": ratio("tutorial", "sparring"),
    }
    if "sparring, fp32" in times:
        result["speed_up_without_bf16"] = ratio("tutorial", "sparring, fp32")
        result["goals"] = [
            common.goal("overhead over the bare loop", overhead["median"], 0.03, at_least=False),
            common.goal("speed-up on the tutorial", result["speed_up"]["median"], 2, at_least=True),
        ]
    return result | {"times": {k: [round(t, 3) for t in v] for k, v in times.items()}}


def show(name: str, result: dict[str, Any]) -> None:
    rows = [{"what": what, **figures} for what, figures in result["ms_per_step"].items()]
    print(common.table(rows, f"{name}: ms a step"))
    ratios = [
        {"ratio": what, **result[what]}
        for what in ("overhead", "speed_up", "speed_up_without_bf16")
        if what in result
    ]
    print(common.table(ratios))
    for kind, rate in result["matmul_gflops"].items():
        print(f"matmul {kind}: {rate['median']:.0f} GFLOP/s")
    if "goals" in result:
        print(common.table(result["goals"]))
    print(f"quiet machine: {result['machine']['quiet']}")


if __name__ == "__main__":
    main()
