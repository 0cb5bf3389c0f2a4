"""A packing that may be interrupted: what is decoded already, and how it goes on from there."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sparring.errors import InputError

try:
    import fcntl
except ImportError:  # not on Windows: there two processes must not pack the same data at once
    fcntl = None  # type: ignore[assignment]

PART = 1024  # files between two lines of the journal: what an interruption can cost
EXAMPLES = 3


@dataclass
class Partial:
    """Decoded images in one file, and a journal with a line for each part of them.

    `done` files of the source were looked at, `kept` are the places of those that became images.
    `counts` and `shown` say how often each decision was taken, and of which files first.
    """

    raw: BinaryIO
    journal: Path
    done: int = 0
    kept: list[int] = field(default_factory=list)
    grey: bool = True
    counts: Counter[str] = field(default_factory=Counter)
    shown: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _written: int = 0  # how many of `kept` the journal knows
    _since: int = 0

    def resume(self, image_bytes: int) -> None:
        """Take up what the journal and the file agree on, and drop what was written after."""
        size = self.raw.seek(0, os.SEEK_END)
        for line in _lines(self.journal):
            if (len(self.kept) + len(line["kept"])) * image_bytes > size:
                break  # the machine stopped before these images were on the disk
            self.done, self.grey = line["done"], line["grey"]
            self.kept += line["kept"]
            self.counts = Counter(line["counts"])
            self.shown = defaultdict(list, line["shown"])
        self._written = len(self.kept)
        self.raw.truncate(len(self.kept) * image_bytes)
        self.raw.seek(0, os.SEEK_END)

    def add(
        self,
        samples: np.ndarray,
        looked_at: int,
        kept: Sequence[int],
        grey: bool,
        decided: Mapping[str, Sequence[str]],
    ) -> None:
        """Append the images that so many further files became."""
        self.raw.write(samples.data)
        self.done += looked_at
        self._since += looked_at
        self.kept += kept
        self.grey = self.grey and grey
        for code, names in decided.items():
            self.counts[code] += len(names)
            self.shown[code] += names[: EXAMPLES - len(self.shown[code])]
        if self._since >= PART:
            self._note()

    def _note(self) -> None:
        """Write a line of the journal, once the images that it speaks of are on the disk."""
        self.raw.flush()
        os.fsync(self.raw.fileno())
        line = {"done": self.done, "grey": self.grey, "kept": self.kept[self._written :]}
        line |= {"counts": self.counts, "shown": self.shown}
        with self.journal.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._written, self._since = len(self.kept), 0


@contextmanager
def partial_of(cached: Path) -> Iterator[Partial]:
    """What there is of a file in the making; gone when it is made, kept after an interruption.

    One process at a time: another one waits here, and should look for the file again.
    """
    path, journal = cached.with_suffix(".part"), cached.with_suffix(".jsonl")
    with path.open("a+b") as raw:
        if fcntl is not None:
            fcntl.lockf(raw, fcntl.LOCK_EX)  # not inherited by the workers, as flock is
        wanted = False
        try:
            yield Partial(raw, journal)
        except InputError:
            raise  # going on would end in the same error
        except BaseException:
            wanted = True
            raise
        finally:
            for file in () if wanted else (path, journal):
                file.unlink(missing_ok=True)


def _lines(journal: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a journal."""
    with suppress(FileNotFoundError, ValueError), journal.open() as file:
        for line in file:
            yield json.loads(line)
