"""Where image files are: a folder or a zip, as names and their bytes."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from sparring.data.decode import MAX_PIXELS
from sparring.errors import InputError

EXTENSIONS = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".ico", ".avif"),
)
MAX_FILE_BYTES = 4 * MAX_PIXELS  # of one file, also unpacked


@dataclass(frozen=True)
class Source:
    """Image files in order, each with what tells that it changed: its size and its time.

    `others` counts the files that are no images by their extension. Where a name does not say how
    a file is found, `keys` do, for `read`; where folders do not say the classes, `labels` do.
    """

    path: Path
    files: tuple[str, ...]
    stamps: tuple[tuple[int, int], ...]
    others: int
    read: Callable[[Path, Any], bytes | None] = field(default_factory=lambda: read_file)
    keys: tuple[Any, ...] = ()
    labels: tuple[int, ...] | None = None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def part(self, first: int, count: int) -> Source:
        """Some of its files."""
        some = slice(first, first + count)
        own = replace(self, files=self.files[some], stamps=self.stamps[some], labels=None)
        return replace(own, keys=self.keys[some])

    def content(self, place: int) -> bytes | None:
        """The bytes of one file; None for one too large to be a wanted image."""
        return self.read(self.path, self.keys[place] if self.keys else self.files[place])

    def classes_of(self, kept: Sequence[int]) -> tuple[tuple[str, ...], list[int]]:
        """Class names and the classes of the files at these places; both empty without classes."""
        if self.labels is not None:
            return self.classes, [self.labels[place] for place in kept]
        return classes_of([self.files[place] for place in kept])


def read_file(path: Path, name: str) -> bytes | None:
    """The bytes of one file of a folder or zip; None for one too large to be a wanted image."""
    if path.is_dir():
        file = path / name
        return None if file.stat().st_size > MAX_FILE_BYTES else file.read_bytes()
    # The size that a zip promises may be a lie: no more than the limit is ever unpacked.
    with _archive(path).open(name) as packed:
        content = packed.read(MAX_FILE_BYTES + 1)
    return None if len(content) > MAX_FILE_BYTES else content


def _archive(path: Path) -> zipfile.ZipFile:
    return _archive_of(path, os.getpid())


@lru_cache(maxsize=2)
def _archive_of(path: Path, process: int) -> zipfile.ZipFile:
    """Kept open, once in each process: a place in a file is shared with the process's children."""
    return zipfile.ZipFile(path)


def find_images(path: Path) -> Source:
    """The images below a folder or in a zip, sorted by name; hidden files are passed over."""
    found = _in_folder(path) if path.is_dir() else _in_zip(path)
    chosen = [entry for entry in found if PurePosixPath(entry[0]).suffix.lower() in EXTENSIONS]
    if not chosen:
        raise InputError(
            f"`{path}` holds no images"
            + (f" among its {len(found)} files" if found else " (it is empty)"),
            "images end in .png, .jpg, .webp, .gif, .bmp or .tif; subfolders are searched too",
        )
    chosen.sort()
    return Source(
        path,
        tuple(name for name, _, _ in chosen),
        tuple((size, stamp) for _, size, stamp in chosen),
        len(found) - len(chosen),
    )


def leads_out(path: Path, name: str) -> bool:
    """Whether a file of a folder is reached by a link and lies outside of it."""
    if not path.is_dir():
        return False
    return not os.path.realpath(path / name).startswith(os.path.realpath(path) + os.sep)


def classes_of(names: Iterable[str]) -> tuple[tuple[str, ...], list[int]]:
    """Class names and each file's class: the first folder in which the files differ.

    Both are empty where files lie beside such folders, or all in one.
    """
    parts = [PurePosixPath(name).parts[:-1] for name in names]
    if not parts:
        return (), []
    depth = 0
    while len({part[: depth + 1] for part in parts}) == 1 and len(parts[0]) > depth:
        depth += 1
    if any(len(part) == depth for part in parts):
        return (), []
    folders = [part[depth] for part in parts]
    classes = tuple(sorted(set(folders)))
    place = {name: index for index, name in enumerate(classes)}
    return classes, [place[folder] for folder in folders]


def _in_folder(root: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of every file below; what links lead to is taken once."""
    found, seen, top = [], set(), os.path.realpath(root)
    for folder, below, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not name.startswith((".", "__MACOSX")))
        for name in files:
            path = Path(folder, name)
            if name.startswith(".") or not path.is_file() or _links_to_another(path, top):
                continue
            state = path.stat()
            found.append((path.relative_to(root).as_posix(), state.st_size, state.st_mtime_ns))
    return found


def _links_to_another(path: Path, top: str) -> bool:
    """Whether it is a second name of a file below `top`, which would be counted twice."""
    return path.is_symlink() and os.path.realpath(path).startswith(top + os.sep)


def _in_zip(path: Path) -> list[tuple[str, int, int]]:
    """Name, size and checksum of every file in a zip; InputError for a broken or hostile one."""
    try:
        entries = [entry for entry in _archive(path).infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise InputError(f"`{path}` cannot be read as a zip: {error}", "make it again") from None
    for entry in entries:
        if leads_out_of_archive(entry.filename):
            raise InputError(
                f"`{path}`: the name `{entry.filename}` leads out of the archive",
                "do not trust this file; pack the images again with plain names",
            )
        if entry.flag_bits & 1:
            raise InputError(f"`{path}` is encrypted", "unpack it and give the folder")
    return [
        (entry.filename, entry.file_size, entry.CRC)
        for entry in entries
        if not is_hidden(entry.filename)
    ]


def leads_out_of_archive(name: str) -> bool:
    """Whether a name in an archive is one of a file outside of where it would be unpacked."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return ".." in parts or name.startswith(("/", "\\")) or ":" in "".join(parts[:1])


def is_hidden(name: str) -> bool:
    """Whether a file or a folder that it lies in is hidden, or put there by a Mac."""
    return any(part.startswith((".", "__MACOSX")) for part in Path(name).parts)
