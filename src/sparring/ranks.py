"""Several processes that train one GAN: what they tell each other.

torchrun starts them; each looks at its own rows of the global batch and all make the same step.
Everything here does nothing, and costs nothing, where there is one process only. What is
differentiable may be differentiated again, as penalties do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from sparring.errors import InputError, SparringError
from sparring.launch import leads, restarts, several
from sparring.shared_memory import SharedMemory, shared_memory

Made = TypeVar("Made")
PATIENCE = timedelta(minutes=30)  # for one that scores, packs or writes while the others wait

_memory: SharedMemory | None = None
_together = False
_normalize_together = False


class Lost(SparringError):
    """Another process of the run is gone: exit code 1."""

    code = "process"


class Elsewhere(SparringError):
    """The first process ended the run; it says why."""

    code = "elsewhere"


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """How many processes train."""
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def joined() -> Iterator[None]:
    """Meet the other processes where torchrun started several; nothing else otherwise.

    What is on CPUs goes through memory that they share on one machine, else by Gloo; what is on
    GPUs, of which each process has its own, by NCCL. Raises Lost where another process is gone.
    """
    if not several() or dist.is_initialized():
        yield
        return
    try:
        _meet()
        yield
        dist.barrier()  # nobody parts while another still works
    except (dist.DistError, RuntimeError) as error:
        if not _is_of_connection(error):
            raise
        reason = str(error).strip().splitlines()[0]
        raise Lost(
            f"process {rank()} has lost another one of this run ({reason})",
            "its own output says why; go on with --resume, or let torchrun do so: --max-restarts",
        ) from None
    finally:
        _leave()


def _meet() -> None:
    global _memory
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    store, own, size = next(rendezvous("env://"))
    # Started again, processes may meet in the same store: the old addresses there lead nowhere.
    store = dist.PrefixStore(f"attempt-{restarts()}", store)
    how: dict[str, Any] = {"store": store, "rank": own, "world_size": size, "timeout": PATIENCE}
    dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", **how)
    _memory = shared_memory(store, PATIENCE.total_seconds())


def _leave() -> None:
    global _memory
    _memory = None
    sys.stderr.flush()
    if dist.is_initialized():
        dist.destroy_process_group()


def _is_of_connection(error: Exception) -> bool:
    words = ("Connection", "connection", "Socket", "peer", "gloo", "NCCL", "timed out", "Timed out")
    return isinstance(error, dist.DistError) or any(word in str(error) for word in words)


@contextmanager
def together(normalize: bool = True) -> Iterator[None]:
    """Inside, all processes run the same code on their rows, and may ask each other.

    `normalize` says whether batch normalization does.
    """
    global _together, _normalize_together
    before = _together, _normalize_together
    _together = count() > 1
    _normalize_together = normalize and _together
    try:
        yield
    finally:
        _together, _normalize_together = before


def are_together() -> bool:
    """Whether processes ask each other here."""
    return _together


def normalize_together() -> bool:
    """Whether batch normalization takes the statistics of all processes' batch."""
    return _normalize_together


def own(size: int) -> slice:
    """This process's rows of `size` ones, which all processes share evenly."""
    return slice(rank() * size // count(), (rank() + 1) * size // count())


def _add_up(x: Tensor) -> None:
    """Replace x, which is contiguous, by its sum over processes."""
    if _memory is not None and x.device.type == "cpu":
        _memory.add_up(x)
    else:
        dist.all_reduce(x)


def _total(x: Tensor) -> Tensor:
    total = x.contiguous().clone()
    _add_up(total)
    return total


class _Sum(torch.autograd.Function):
    """The sum over processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _total(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total: Tensor = _Sum.apply(gradients[0])
        return total


def summed(x: Tensor) -> Tensor:
    """The sum of all processes' x, differentiable; x itself where they are not together."""
    if not _together:
        return x
    if torch.is_grad_enabled() and x.requires_grad:
        return _Sum.apply(x)
    return _total(x)


def mean(x: Tensor) -> Tensor:
    """The mean of all processes' x, as of equal shares of a batch."""
    return summed(x) / count() if _together else x


def whole(x: Tensor) -> Tensor:
    """All processes' rows [n, ...] as those of the whole batch [n * count, ...], differentiable."""
    if not _together:
        return x
    parts = [torch.zeros_like(x)] * rank() + [x] + [torch.zeros_like(x)] * (count() - rank() - 1)
    return summed(torch.cat(parts))


def part_of(x: Tensor) -> Tensor:
    """This process's rows of those of the whole batch: undoes `whole`."""
    return x[own(len(x))] if _together else x


def rows(size: int, make: Callable[[slice], Tensor]) -> Tensor:
    """`size` rows that `make` makes: each process its own, all of them everywhere."""
    if not _together:
        return make(slice(0, size))
    mine = own(size)
    made = make(mine)
    found = made.new_zeros(size, *made.shape[1:])
    found[mine] = made
    _add_up(found)
    return found


def reduce_gradients(parameters: Sequence[Tensor]) -> None:
    """Replace gradients by their sums over processes, in one message."""
    if count() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    if gradients:
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        _add_up(flat)
        parts = flat.split([gradient.numel() for gradient in gradients])
        sums = [part.view(g.shape) for part, g in zip(parts, gradients, strict=True)]
        torch._foreach_copy_(gradients, sums)


def even_out(tensors: Sequence[Tensor]) -> None:
    """Give every process the first one's tensors."""
    if count() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, 0)


def lead(work: Callable[[], Made]) -> Made | None:
    """Let the first process alone do something; the others wait, and end if it fails."""
    if count() == 1:
        return work()
    made: Made | None = None
    failed: BaseException | None = None
    if leads():
        try:
            made = work()
        except Exception as error:
            failed = error
    if any_of(failed is not None):
        raise failed or Elsewhere("the first process has ended the run", "its output says why")
    return made


def first(work: Callable[[], Made]) -> Made:
    """Let the first process do something before the others, which then find it done."""
    made = lead(work)
    return made if made is not None else work()


def any_of(told: bool) -> bool:
    """Whether any process says so."""
    if count() == 1:
        return told
    flag = torch.tensor([float(told)])
    _add_up(flag)
    return bool(flag.item() > 0)


def numbers(given: Sequence[float], size: int) -> list[float]:
    """The first process's numbers, everywhere."""
    if count() == 1:
        return list(given)
    found = torch.zeros(size, dtype=torch.float64)
    if leads():
        found[: len(given)] = torch.tensor(given, dtype=torch.float64)
    dist.broadcast(found, 0)
    return found.tolist()


def text(given: str) -> str:
    """The first process's words, everywhere."""
    if count() == 1:
        return given
    (size,) = numbers([len(given.encode())], 1)
    letters = numbers([*map(float, given.encode())] if leads() else [], int(size))
    return bytes(int(letter) for letter in letters).decode()


def even_share(size: int, what: str) -> None:
    """Raise InputError where processes cannot share `size` evenly."""
    if size % count():
        raise InputError(
            f"{what}={size} cannot be shared evenly by {count()} processes",
            f"choose a multiple of {count()}",
        )
