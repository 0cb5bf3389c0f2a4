"""The file behind memory-mapped samples, and whether it is still whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sparring.errors import InputError


@dataclass(frozen=True)
class MappedFile:
    """A file that samples are read from as they are looked at.

    Reading behind the end of a file that was cut short kills the process (SIGBUS), so readers ask
    first. A file that was removed, or replaced by renaming, is no fault: what was mapped stays.
    """

    path: Path
    inode: int
    size: int

    @staticmethod
    def of(path: Path) -> MappedFile:
        """The file as it is now; OSError where there is none."""
        about = path.stat()
        return MappedFile(path, about.st_ino, about.st_size)

    def check(self) -> None:
        """InputError if the file has become shorter since it was mapped."""
        try:
            now = MappedFile.of(self.path)
        except OSError:
            return
        if now.inode == self.inode and now.size < self.size:
            raise InputError(
                f"`{self.path}` was cut short while its samples were read: "
                f"{now.size:,} bytes are left of {self.size:,}",
                "pack the data again (of a folder this is done by itself) and add --resume",
            )
