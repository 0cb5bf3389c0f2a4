"""What a training step costs at sizes that are too large to run here: counted, not measured.

Networks are made without memory (PyTorch's `meta` device) and go through the passes of a step, in
which operations are counted and what is kept for the backward pass is added up. Where a size is run
as well, its seconds are measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks import common
from sparring.data import Dataset
from sparring.data.dataset import split_by_draw
from sparring.games.latent import latent_game
from sparring.networks import build_discriminator, build_generator, count_parameters
from sparring.objectives.penalties import squared_gradient_norm
from sparring.recipe import Recipe
from sparring.training.state import State
from sparring.training.step import run_step

COUNTED = 4  # samples that go through the counted passes
GIB = 2**30
RATE = 50e12  # operations a second: a large GPU in 16 bits at a fair share of its peak
COPIES = 5  # weights, gradients, two moments, the average
STEPS = 2  # that are timed

Row = dict[str, Any]


def sizes(
    recipe_at: Callable[[int], Recipe], pixels: Sequence[int], run_up_to: int, batch_size: int
) -> list[Row]:
    """A row for each size of colour images; those up to `run_up_to` pixels are run as well."""
    rows = []
    for side in pixels:
        row = counted(recipe_at(side), side, batch_size)
        seconds = timed(recipe_at(side), side) if side <= run_up_to else None
        rows.append(row | {"cpu_seconds_measured": seconds})
        print(rows[-1], flush=True)
    return rows


def counted(recipe: Recipe, side: int, batch_size: int) -> Row:
    """Operations of 1,000 samples and memory of a batch, in fp32."""
    shape = (3, side, side)
    with torch.device("meta"):
        generator = build_generator(recipe.generator, recipe.latent.size, shape, seed=0)
        judge = build_discriminator(recipe.discriminator, shape, seed=0)
    z = torch.empty(COUNTED, recipe.latent.size, device="meta")
    real = torch.empty(COUNTED, *shape, device="meta")
    flops = total(lambda: moves(generator, judge, z, real))
    for penalty in recipe.penalties:
        flops += total(lambda: penalized(judge, real)) / penalty.every
    parameters = count_parameters(generator) + count_parameters(judge)
    kept = max(
        kept_for_backward(lambda: judge(generator(z)).sum()),
        kept_for_backward(lambda: squared_gradient_norm(*said(judge, real)).sum()),
    )
    memory = parameters * 4 * COPIES + kept / COUNTED * batch_size
    per_thousand = flops / COUNTED * 1000
    return {
        "pixels": side,
        "parameters_millions": round(parameters / 1e6, 1),
        "tflop_per_1000": round(per_thousand / 1e12, 1),
        "gpu_seconds_estimated": round(per_thousand / RATE, 2),
        "batch_size": batch_size,
        "memory_gib_estimated": round(memory / GIB, 1),
    }


def moves(generator: nn.Module, judge: nn.Module, z: Tensor, real: Tensor) -> None:
    """One move of each player: backward passes for whoever learns only."""
    with torch.no_grad():
        fake = generator(z)
    (judge(real).sum() + judge(fake).sum()).backward()
    judge.requires_grad_(False)
    judge(generator(z)).sum().backward()
    judge.requires_grad_(True)


def penalized(judge: nn.Module, real: Tensor) -> None:
    """What a gradient penalty adds on one side."""
    squared_gradient_norm(*said(judge, real)).sum().backward()


def said(judge: nn.Module, real: Tensor) -> tuple[Tensor, Tensor]:
    images = real.detach().requires_grad_()
    return judge(images), images


class Counter(TorchDispatchMode):
    """Adds up operations as they run, also those of gradients of gradients, where PyTorch's own
    counter fails."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=found)
        return found


def total(work: Callable[[], None]) -> int:
    with Counter() as counter:
        work()
    return counter.total


def kept_for_backward(work: Callable[[], Tensor]) -> int:
    """Bytes of the tensors that a backward pass would read, weights left out."""
    found: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if not isinstance(tensor, nn.Parameter):
            found[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = work()
    del result
    return sum(found.values())


def timed(recipe: Recipe, side: int) -> float:
    """Seconds of this machine for 1,000 samples, from a few steps of a small batch."""
    values = torch.zeros(64, 3, side, side, dtype=torch.uint8)
    recipe.batch_size = COUNTED
    game = latent_game(recipe, Dataset("black", values, split_by_draw(64)), common.CPU)
    state = State(game, recipe, common.CPU)
    run_step(state)
    started = time.perf_counter()
    for _ in range(STEPS):
        run_step(state)
    return round((time.perf_counter() - started) / STEPS / COUNTED * 1000, 1)
