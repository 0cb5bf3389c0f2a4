"""A step on many GPUs by arithmetic: what is computed, what is told between them, what is read.

None of it was ever run on a GPU: the operations, kernels, messages and bytes of a step are counted
with the package's own networks and loop, the speed of the GPUs and their wires is assumed.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

from benchmarks.processes import ended, start
from benchmarks.sizes import counted
from sparring.recipes import load_recipe

GPUS = (1, 8, 64, 512)
ASSUMED = {
    "tflops": 50.0,  # a large GPU in 16 bits at a fair share of its peak
    "microseconds_a_kernel": 5.0,  # that Python and the driver take to start one
    "gpus_a_machine": 8,
    "gigabytes_a_second_in_a_machine": 200.0,
    "gigabytes_a_second_between_machines": 20.0,  # one adapter of 200 Gbit/s for all eight
    "microseconds_a_message": 25.0,  # in a machine
    "microseconds_a_hop": 10.0,  # more, each time the machines double
}


@dataclass(frozen=True)
class Case:
    """A recipe at `pixels`, `each` samples on a GPU, or `shared` by all of them.

    `told` makes its networks small enough to count their messages in real processes.
    """

    recipe: str
    pixels: int
    each: int
    shared: int
    own: dict[str, Any] = field(default_factory=dict)
    told: tuple[str, ...] = ()


def wide(width: int, growth: int, **more: Any) -> dict[str, Any]:
    channels = {"width": width, "growth": growth}
    players = ("generator", "discriminator")
    return {f"{player}.{k}": v for player in players for k, v in channels.items()} | more


CASES = (
    Case("dcgan", 64, 64, 512, {}, ("data.size=64", "data.channels=3")),
    Case("stylegan2", 256, 8, 64, wide(64, 8) | {"latent.size": 512}),
    Case("stylegan2", 1024, 4, 32, wide(32, 16) | {"latent.size": 512}),
)


def traffic(recipe: str, batch: int, words: tuple[str, ...] = ()) -> dict[str, float]:
    """What two processes tell each other in a step of a recipe, and PyTorch's operations in it."""
    found: dict[str, float] = json.loads(
        ended(start("traffic", recipe, str(batch), *words, processes=2))[-1]
    )
    return found


def rows(case: Case) -> list[dict[str, Any]]:
    """A row for each number of GPUs, with a batch that grows with them and with one they share."""
    count = counted(load_recipe(case.recipe, case.own), case.pixels, case.each)
    told = traffic(case.recipe, 8, case.told)
    found = []
    for kind, batch in (("grown", 0), ("shared", case.shared)):
        one = None
        for gpus in GPUS:
            each = case.each if kind == "grown" else batch / gpus
            if each < 1:
                continue
            computed = computing(count["tflop_per_1000"] / 1000 * each, told["operations"])
            talked = talking(gpus, told["messages"], 4e6 * count["parameters_millions"])
            seconds = computed + talked
            one = one or seconds
            work = 1 if kind == "grown" else gpus
            found.append(
                {
                    "recipe": case.recipe,
                    "pixels": case.pixels,
                    "batch": kind,
                    "gpus": gpus,
                    "rows_each": round(each),
                    "ms_compute": round(1e3 * computed, 1),
                    "ms_messages": round(1e3 * talked, 1),
                    "efficiency": round(one / seconds / work, 3),
                    "images_a_second": round(each * gpus / seconds),
                    "data_mb_a_second": round(each * gpus / seconds * 3 * case.pixels**2 / 1e6),
                }
            )
    return found


def computing(tflop: float, kernels: float) -> float:
    """Seconds: as many operations, or starting as many kernels, whichever takes longer."""
    return max(tflop / ASSUMED["tflops"], kernels * ASSUMED["microseconds_a_kernel"] / 1e6)


def talking(gpus: int, messages: float, size: float) -> float:
    """Seconds of sums over all GPUs: `messages` of them, `size` bytes in all.

    A ring sends each byte twice, less one GPU's share: in a machine first, then between machines.
    """
    if gpus == 1:
        return 0.0
    inside = min(gpus, int(ASSUMED["gpus_a_machine"]))
    machines = gpus // inside
    sent = 2 * size * (inside - 1) / inside
    seconds = sent / ASSUMED["gigabytes_a_second_in_a_machine"] / 1e9
    between = 2 * size * (machines - 1) / machines
    seconds += between / ASSUMED["gigabytes_a_second_between_machines"] / 1e9
    hops = math.log2(machines) * ASSUMED["microseconds_a_hop"]
    return seconds + messages * (ASSUMED["microseconds_a_message"] + hops) / 1e6
