"""Samples that were made before: the newest in memory, more of them on disk."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

DIGEST = 16  # bytes at the head of a file that say whether the rest is whole
KEPT_SHARE = 0.75  # of the limit, after clearing up
CLEAR_EVERY = 0.2  # of the limit that all processes write between looks at the folder
BLOCK = 4096  # bytes of which files are made on most disks
UNIT = 512  # bytes in which st_blocks counts
OVERHEAD = 200  # bytes that an entry in memory needs beside its contents


class MemoryCache:
    """The most recently used contents, up to a number of bytes; 0 keeps nothing."""

    def __init__(self, limit: int) -> None:
        self.limit, self.size = limit, 0
        self._found: OrderedDict[str, bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: str) -> bytes | None:
        content = self._found.get(key)
        if content is not None:
            self._found.move_to_end(key)
        return content

    def put(self, key: str, content: bytes) -> None:
        size = len(content) + len(key) + OVERHEAD
        if size > self.limit or key in self._found:
            return
        self._found[key] = content
        self.size += size
        while self.size > self.limit:
            old, dropped = self._found.popitem(last=False)
            self.size -= len(dropped) + len(old) + OVERHEAD


class DiskCache:
    """Files in a folder that several processes share, up to a number of bytes on the disk in all.

    What is damaged or cannot be read or written is as if it were not there. The least recently
    used files go first.
    """

    def __init__(self, folder: Path, limit: int, processes: int = 1) -> None:
        self.folder, self.limit = folder, limit
        self.written, self._every = 0, CLEAR_EVERY * limit / processes
        folder.mkdir(parents=True, exist_ok=True)
        self.clear_up()

    def get(self, key: str) -> bytes | None:
        path = self._path(key)
        with suppress(OSError):
            content = path.read_bytes()
            os.utime(path)
            if content[:DIGEST] == _digest(content[DIGEST:]):
                return content[DIGEST:]
            path.unlink()
        return None

    def put(self, key: str, content: bytes) -> None:
        path = self._path(key)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        size = -(-(len(content) + DIGEST) // BLOCK) * BLOCK
        if size > self._every:
            return
        if self.written + size > self._every:
            self.clear_up()
        try:
            path.parent.mkdir(exist_ok=True)
            temporary.write_bytes(_digest(content) + content)
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            return
        self.written += size

    def clear_up(self) -> None:
        """Drop the oldest files while the folder holds more than it should."""
        self.written = 0
        files = sorted(self._files())
        size = sum(length for _, length, _ in files)
        for _, length, path in files:
            if size <= KEPT_SHARE * self.limit:
                break
            with suppress(OSError):
                path.unlink()
            size -= length

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """When each was used last, what it takes of the disk and its path."""
        for path in self.folder.glob("*/*"):
            with suppress(OSError):  # another process was quicker to drop it
                found = path.stat()
                yield found.st_mtime, max(UNIT * found.st_blocks, found.st_size), path

    def _path(self, key: str) -> Path:
        name = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        return self.folder / name[:2] / name[2:]


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST).digest()
