"""A recipe against the plain loop: times, ceilings, memory, profile."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks import common
from benchmarks.speed import inside
from benchmarks.speed.cases import CASES, Case, data_of, recipe_of
from benchmarks.speed.ceiling import ceiling, shares
from benchmarks.speed.contenders import BARE, PACKAGE, PACKAGE_FP32, PLAIN, contender, names
from benchmarks.speed.process import processes
from benchmarks.speed.rounds import interleaved, ratio, rows
from sparring.training.precision import has_native_bf16

SHARE = 0.8  # of the ceiling, that convolutional steps are to reach
OVERHEAD = 0.03  # over the bare loop, at most


def measure(name: str, budget: float, quick: bool) -> dict[str, Any]:
    """Time all contenders of one case in interleaved rounds."""
    case = CASES[name]
    dataset = data_of(case)
    steps = min(case.steps, 2) if quick else case.steps
    with common.scratch() as folder:
        made = {
            who: (contender, who, name, folder / str(place))
            for place, who in enumerate(names(case))
        }
        with processes(made) as contenders:
            times = interleaved(contenders, steps, budget, quick)
            timed = rows(times)
            ours = [who for who in names(case) if who in (PACKAGE, PACKAGE_FP32)]
            reached = [
                shares(timed, who, contenders[who].ask(ceiling, steps), rate_of(who, case))
                for who in ours
            ]
            profile = contenders[PACKAGE].ask(inside.profiled, steps)
    memory = [inside.memory(name, who) for who in ([PACKAGE] if quick else names(case))]
    recipe = recipe_of(case)
    return {
        "steps": timed,
        "ceilings": reached,
        "memory": memory,
        "profile": profile,
        "goals": goals(case, times, reached),
        "times": {who: [round(t, 3) for t in values] for who, values in times.items()},
        "settings": {
            "rounds": len(times[PACKAGE]),
            "steps_a_round": steps,
            "batch_size": recipe.batch_size,
            "shape": list(dataset.shape),
            "samples": len(dataset.values),
            "generator": recipe.generator.model_dump(),
            "discriminator": recipe.discriminator.model_dump(),
        },
    }


def rate_of(who: str, case: Case) -> float:
    """GFLOP/s of a plain matrix product in the precision that a contender has."""
    fp32 = who == PACKAGE_FP32 or case.recipe == "gaussian" or not has_native_bf16(common.CPU)
    return common.spread(common.matmul_rates(torch.float32 if fp32 else torch.bfloat16, 2048))[
        "median"
    ]


def goals(
    case: Case, times: dict[str, list[float]], reached: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """What the case is to show; of `gaussian` nothing, whose steps are dispatch."""
    found = []
    if case.goal is not None:
        over = round(ratio(times, PLAIN, PACKAGE)["median"], 2)
        found.append(common.goal("times the plain loop's speed", over, case.goal, at_least=True))
    if case.convolutional:
        share = reached[0]["share_of_ceiling"]
        found.append(common.goal("share of the ceiling", share, SHARE, at_least=True))
    if case.bare and case.goal is not None:
        overhead = round(ratio(times, PACKAGE, BARE)["median"] - 1, 3)
        found.append(common.goal("overhead over the bare loop", overhead, OVERHEAD, at_least=False))
    return found
