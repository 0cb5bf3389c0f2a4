"""Sums over the processes of one machine through memory they share: microseconds, not milliseconds.

Each process has a counter and two slots. For a sum it writes its summand into the slot whose turn
it is, then raises its counter; when all counters are there, it adds the slots in the order of the
processes, so that all get the same sum to the last bit. Who writes into a slot again has seen all
others raise their counters once more, which they do only after they have read that slot.

That needs loads and stores that are seen in the order of the program, as x86 keeps them (total
store order). Arm does not, and Python has no fences: there, as between machines, Gloo adds.
"""

from __future__ import annotations

import mmap
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

if sys.platform == "linux":
    import fcntl

FOLDER = Path("/dev/shm")
LINE = 64  # bytes: each counter on a cache line of its own
SLOT = 1 << 20  # bytes; what is larger goes in several turns
MOST = 8  # processes: each reads what all the others wrote
SPINS, YIELDS = 1000, 20_000  # tries before giving way to others, and before sleeping
NAP, LOOK_EVERY = 0.001, 128  # seconds between tries then, and naps between looks at the others


class SharedMemory:
    """The counters and slots of `count` processes in an open file, of which this is number `rank`.

    Each locks its byte of the file. The system gives the lock back however a process ends, which
    is how the others know.
    """

    def __init__(self, file: int, rank: int, count: int, patience: float) -> None:
        self.file, self.rank, self.patience = file, rank, patience
        self.others = [other for other in range(count) if other != rank]
        memory = mmap.mmap(file, size_of(count))
        self.counters = memoryview(memory)[: count * LINE].cast("q")[:: LINE // 8]
        slots = torch.frombuffer(memory, dtype=torch.uint8, offset=count * LINE)
        self.slots = slots.view(2, count, SLOT)
        self.turn = 0
        fcntl.lockf(file, fcntl.LOCK_EX, 1, rank)

    def add_up(self, x: Tensor) -> None:
        """Replace x, contiguous and on the CPU, by its sum over the processes.

        Raises RuntimeError where another one has ended, or does not come within `patience` seconds.
        """
        for part in x.view(-1).split(SLOT // x.element_size()):
            self.turn += 1
            slots = self.slots[self.turn % 2].view(x.dtype)[:, : len(part)]
            slots[self.rank] = part
            self.counters[self.rank] = self.turn
            for other in self.others:
                if self.counters[other] < self.turn:
                    self._wait_for(other)
            first, second, *others = slots.unbind()
            torch.add(first, second, out=part)
            for summand in others:
                part += summand

    def _wait_for(self, other: int) -> None:
        tries, until = 0, time.monotonic() + self.patience
        while self.counters[other] < self.turn:
            tries += 1
            if tries > SPINS + YIELDS:
                if tries % LOOK_EVERY == 0:
                    self._look_after(other, until)
                time.sleep(NAP)
            elif tries > SPINS:
                os.sched_yield()

    def _look_after(self, other: int, until: float) -> None:
        if time.monotonic() > until:
            raise RuntimeError(f"Timed out waiting for peer {other}")
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, other)
        except OSError:
            return  # it holds its lock, so it lives
        if self.counters[other] < self.turn:
            raise RuntimeError(f"Connection closed by peer {other}")


def size_of(count: int) -> int:
    """Bytes that so many processes share."""
    return count * (LINE + 2 * SLOT)


def shared_memory(store: dist.Store, patience: float) -> SharedMemory | None:
    """Memory that all processes of the default group share; None where they cannot.

    `store` is where they met. The file has no name any more once all have opened it, so that
    nothing is left whatever becomes of them.
    """
    rank, count = dist.get_rank(), dist.get_world_size()
    file, path = -1, None
    able = sys.platform == "linux" and platform.machine() == "x86_64" and count <= MOST
    if able and rank == 0 and FOLDER.is_dir():
        file, path = _made(size_of(count))
    if rank == 0:
        store.set("shared memory", path or "")
    elif able and (path := store.get("shared memory").decode()):
        file = _opened(path)
    made = SharedMemory(file, rank, count, patience) if file >= 0 else None
    opened = torch.tensor([float(made is not None)])
    dist.all_reduce(opened)
    if rank == 0 and path:
        Path(path).unlink()
    return made if int(opened) == count else None


def _made(size: int) -> tuple[int, str | None]:
    try:
        file, path = tempfile.mkstemp(prefix="sparring-", dir=FOLDER)
    except OSError:
        return -1, None
    try:
        os.posix_fallocate(file, 0, size)  # now, or writing may end the process later
    except OSError:
        os.close(file)
        Path(path).unlink()
        return -1, None
    return file, path


def _opened(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR)
    except OSError:
        return -1  # it is another machine's
