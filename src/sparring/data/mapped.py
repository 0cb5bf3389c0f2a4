"""A file whose rows are read as they are needed, by mapping it into memory."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

from sparring.errors import InputError


class MappedFile:
    """What the file was when it was opened.

    It may be deleted or replaced meanwhile: the mapping keeps what it had. But reading beyond the
    end of one that was cut short would end the process without a word (SIGBUS), and one that was
    written over is other data.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self.file)
        self.before = self._now()

    def _now(self) -> tuple[int, int]:
        found = os.fstat(self.file)
        return found.st_size, found.st_mtime_ns

    def check(self) -> None:
        """Raise InputError if it is another one now; takes a microsecond."""
        if (now := self._now()) != self.before:
            sizes = f"{self.before[0]:,} bytes, now {now[0]:,}"
            raise InputError(
                f"`{self.path}` was changed while it was being read: it had {sizes}",
                "put the same data there again (delete a file of the cache to have it packed "
                "again), then go on with --resume",
            )
