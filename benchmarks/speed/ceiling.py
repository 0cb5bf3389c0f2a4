"""How fast a step could be: its convolutions and matrix products alone.

All of them that a step makes are recorded with their shapes, layouts and types, forward and
backward; then each is repeated by itself, with everything in the cache. The sum of those times is
the ceiling: what a step would take if nothing else had to be done. It is a hard one, since in a
step the data of each operation come from memory.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_unflatten
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import common

HEAVY = {
    torch.ops.aten.convolution.default,
    torch.ops.aten.convolution_backward.default,
    torch.ops.aten.mm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.bmm.default,
    torch.ops.aten.baddbmm.default,
}
EACH = 0.06  # seconds that each operation is repeated
FEWEST = 3

Layout = tuple[tuple[int, ...], tuple[int, ...], torch.dtype]


class Recorder(TorchDispatchMode):
    """The heavy operations that run inside, and how often; tensors as what they look like."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[Any] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in HEAVY:
            flat, spec = tree_flatten((args, kwargs or {}))
            self.found[func, tuple(map(seen, flat)), spec] += 1
        return func(*args, **(kwargs or {}))


def seen(value: Any) -> Any:
    """The layout of a tensor; anything else as it is."""
    if isinstance(value, Tensor):
        return tuple(value.shape), tuple(value.stride()), value.dtype
    return value


def alike(value: Any) -> Any:
    """A tensor of a layout; anything else as it is."""
    if isinstance(value, tuple) and len(value) == 3 and isinstance(value[2], torch.dtype):
        shape, strides, kind = value
        size = 1 + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
        return torch.randn(size).to(kind).as_strided(shape, strides)
    return value


def ceiling(run: Callable[[int], None], steps: int) -> dict[str, float]:
    """Milliseconds a step of the heavy operations alone, and its GFLOP."""
    with Recorder() as recorder:
        run(steps)
    seconds = flop = 0.0
    for key, count in recorder.found.items():
        of_one = alone(*key)
        seconds += of_one[0] * count
        flop += of_one[1] * count
    return {
        "ms_ceiling": round(seconds / steps * 1000, 3),
        "gflop": round(flop / steps / 1e9, 4),
        "operations": round(sum(recorder.found.values()) / steps, 1),
    }


def alone(func: Any, layouts: tuple[Any, ...], spec: Any) -> tuple[float, float]:
    """Median seconds of one operation when nothing else happens, and its FLOP."""
    args, kwargs = tree_unflatten([alike(value) for value in layouts], spec)
    times: list[float] = []
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            func(*args, **kwargs)
        started = time.perf_counter()
        while len(times) < FEWEST or time.perf_counter() - started < EACH:
            times.append(common.timed(lambda: func(*args, **kwargs)))
    return float(np.median(times)), counter.get_total_flops()


def shares(
    rows: list[dict[str, Any]], who: str, found: dict[str, float], rate: float
) -> dict[str, Any]:
    """A contender's step against its own operations alone, and the machine's matmul rate."""
    (row,) = (row for row in rows if row["who"] == who)
    reached = found["gflop"] / (row["ms_median"] / 1000)
    return {
        "who": who,
        "ms_a_step": row["ms_median"],
        **found,
        "share_of_ceiling": round(found["ms_ceiling"] / row["ms_median"], 3),
        "gflop_per_second": round(reached, 1),
        "matmul_gflop_per_second": round(rate, 1),
        "share_of_matmul": round(reached / rate, 3),
    }
