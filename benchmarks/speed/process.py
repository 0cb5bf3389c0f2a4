"""Contenders in processes of their own: what one sets for its process is not for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

Run = Callable[[int], Any]


class Process:
    """A contender that lives elsewhere: called as it would be here.

    `make` and its arguments are pickled by name, as is what it is asked for.
    """

    def __init__(self, make: Callable[..., Run], *words: Any) -> None:
        context = get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, make, words), daemon=True)
        self._process.start()
        there.close()

    def __call__(self, steps: int) -> None:
        """So many steps."""
        self.ask(_steps, steps)

    def ask(self, work: Callable[..., Any], *words: Any) -> Any:
        """What `work` returns, given the contender and the words; OSError or EOFError where
        it has failed."""
        self._pipe.send((work, words))
        return self._pipe.recv()

    def end(self) -> None:
        self._pipe.close()
        self._process.join()


@contextmanager
def processes(made: Mapping[str, tuple[Any, ...]]) -> Iterator[dict[str, Process]]:
    """A process for each name: its maker and the maker's words."""
    found = {name: Process(*words) for name, words in made.items()}
    try:
        yield found
    finally:
        for one in found.values():
            one.end()


def _steps(run: Run, steps: int) -> None:
    run(steps)


def _serve(pipe: Connection, make: Callable[..., Run], words: tuple[Any, ...]) -> None:
    run = make(*words)
    while True:
        try:
            work, given = pipe.recv()
        except EOFError:
            return
        pipe.send(work(run, *given))
