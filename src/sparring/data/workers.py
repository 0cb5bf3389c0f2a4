"""The same work on many parts, on all cores, answered in order, with a bar and the time left."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sparring.errors import SparringError
from sparring.machine import cores

FEW = 4  # parts: for no more, starting workers costs more than it saves
AHEAD = 4  # parts a core that are asked for before their answers are taken: memory stays bounded

Part = TypeVar("Part")
Answer = TypeVar("Answer")


def in_order(
    work: Callable[[Part], Answer],
    parts: Sequence[Part],
    sizes: Sequence[int],
    doing: str,
    done: int = 0,
) -> Iterator[Answer]:
    """What `work` makes of each part, in order.

    The bar says what is being done, of how many: `sizes` are those of the parts, after `done`.
    """
    with Progress(
        TextColumn(doing),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=done + sum(sizes), completed=done)
        answers = map(work, parts) if len(parts) <= FEW else _on_all_cores(work, parts, doing)
        for answer, size in zip(answers, sizes, strict=True):
            yield answer
            bar.advance(task, size)


def _on_all_cores(
    work: Callable[[Part], Answer], parts: Sequence[Part], doing: str
) -> Iterator[Answer]:
    waiting: deque[Future[Answer]] = deque()
    with _workers() as pool:
        try:
            for part in parts:
                waiting.append(pool.submit(work, part))
                if len(waiting) > AHEAD * cores():
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise SparringError(
                f"a process was killed ({doing})", "is there enough memory?"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _workers() -> Executor:
    """One a core: processes where starting them is cheap, else threads (decoders free the lock)."""
    if sys.platform == "linux":
        return ProcessPoolExecutor(cores(), get_context("fork"), _end_with_parent)
    return ThreadPoolExecutor(cores())


def _end_with_parent() -> None:
    """Without this, workers of a killed process would wait for work for ever."""

    def watch() -> None:
        parent = parent_process()
        assert parent is not None
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()
