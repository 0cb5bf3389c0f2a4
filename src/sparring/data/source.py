"""Where image files are: a folder or a zip, as names and their bytes."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

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

    `others` counts the files that are no images by their extension.
    """

    path: Path
    files: tuple[str, ...]
    stamps: tuple[tuple[int, int], ...]
    others: int


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


def classes_of(names: Iterable[str]) -> tuple[tuple[str, ...], list[int]]:
    """Class names and each file's class: the first folder in which the files differ.

    Both are empty where files lie beside such folders, or all in one.
    """
    parts = [PurePosixPath(name).parts[:-1] for name in names]
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
        parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
        if ".." in parts or entry.filename.startswith(("/", "\\")) or ":" in parts[0]:
            raise InputError(
                f"`{path}`: the name `{entry.filename}` leads out of the archive",
                "do not trust this file; pack the images again with plain names",
            )
        if entry.flag_bits & 1:
            raise InputError(f"`{path}` is encrypted", "unpack it and give the folder")
    return [
        (entry.filename, entry.file_size, entry.CRC)
        for entry in entries
        if not any(part.startswith((".", "__MACOSX")) for part in Path(entry.filename).parts)
    ]
