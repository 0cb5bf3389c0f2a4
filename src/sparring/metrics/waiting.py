"""A progress bar for what may take long: shown only once it has taken two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PATIENCE = 2.0  # seconds


@contextmanager
def waiting(words: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function to be told how much more is done; one line where there is no terminal."""
    console = Console(stderr=True)
    # Rich puts a proxy there while another display is alive, as in training: two would collide.
    quiet = isinstance(sys.stderr, FileProxy)
    bar: Progress | None = None
    began, done = time.monotonic(), 0
    first, warm = 0, began  # the first part takes longer than the others and is no measure of them

    def advance(count: int) -> None:
        nonlocal quiet, bar, done, first, warm
        done += count
        now = time.monotonic()
        if bar is not None:
            bar.update(bar.task_ids[0], completed=done)
        elif not first:
            first, warm = done, now
        elif not quiet and done < total and now - began > PATIENCE:
            quiet = True
            if console.is_terminal:
                bar = _bar(console)
                bar.add_task(words, total=total, completed=done)
                bar.start()
            else:
                left = (now - warm) * (total - done) / (done - first)
                console.print(f"{words}: about {left:.0f} s", highlight=False, soft_wrap=True)

    try:
        yield advance
    finally:
        if bar is not None:
            bar.stop()


def _bar(console: Console) -> Progress:
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(TextColumn("{task.description}"), *columns, console=console, transient=True)
