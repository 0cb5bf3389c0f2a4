"""Image files in tar shards as WebDataset writes them, read where they lie and never unpacked."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from sparring.data.source import (
    EXTENSIONS,
    MAX_FILE_BYTES,
    Source,
    classes_of,
    is_hidden,
    leads_out_of_archive,
)
from sparring.errors import InputError

BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
LABEL = ".cls"  # beside an image of the same key: the number or name of its class
MAX_LABEL_BYTES = 1000
MAX_SHARDS = 100_000


class Place(NamedTuple):
    """Where a member of a shard lies."""

    shard: str
    start: int
    size: int


@dataclass
class Found:
    """What shards hold: images and labels by the member's name without its endings."""

    images: list[tuple[str, str, Place]] = field(default_factory=list)  # name in all, key, place
    labels: dict[str, str] = field(default_factory=dict)
    others: int = 0
    links: int = 0
    broken: list[str] = field(default_factory=list)


def shards_of(path: Path) -> list[Path]:
    """The shards that `NAME-{000..012}.tar`, a .tar or a folder of them names; empty for others."""
    if braces := BRACES.search(str(path)):
        first, last = braces.groups()
        numbers = range(int(first), int(last) + 1)
        if len(numbers) > MAX_SHARDS:
            raise InputError(f"`{path}` names {len(numbers):,} shards", f"at most {MAX_SHARDS:,}")
        start, end = braces.span()
        names = [f"{str(path)[:start]}{n:0{len(first)}}{str(path)[end:]}" for n in numbers]
        shards = [Path(name) for name in names]
        if missing := [shard for shard in shards if not shard.is_file()]:
            raise InputError(
                f"`{path}`: {len(missing)} of {len(shards)} shards are not there "
                f"(`{missing[0].name}`)",
                "check the path and the numbers in braces",
            )
        return shards
    if path.is_dir():
        return sorted(shard for shard in path.glob("*.tar") if shard.is_file())
    return [path] if path.suffix == ".tar" and path.is_file() else []


def stamps_of(shards: list[Path]) -> tuple[tuple[str, int, int], ...]:
    """What tells that shards have changed."""
    states = [(shard.name, shard.stat()) for shard in shards]
    return tuple((name, state.st_size, state.st_mtime_ns) for name, state in states)


def find_in_shards(path: Path, shards: list[Path]) -> Source:
    """The images in tar shards, in the shards' order.

    Classes come from `.cls` files where every image has one, else from folders in the shards.
    Members that cannot be read are counted and told.
    """
    found = Found()
    for shard in shards:
        _look_into(shard, found)
    if not found.images:
        raise InputError(
            f"`{path}` holds no images in {len(shards)} shards"
            + "".join(f"; {words}" for words in found.broken[:1]),
            "members end in .png, .jpg, .webp, ..., a class may stand in a .cls beside them",
        )
    names = tuple(name for name, _, _ in found.images)
    keys = [key for _, key, _ in found.images]
    notes = [f"{found.links:,} links in shards passed over"] if found.links else []
    notes += found.broken
    said = [found.labels.get(key) for key in keys]
    known = [label for label in said if label is not None]
    if known and len(known) == len(said):
        classes = tuple(sorted(set(known), key=_in_order))
        place = {name: index for index, name in enumerate(classes)}
        labels = [place[label] for label in known]
    else:
        notes += [f"{len(said) - len(known):,} images without {LABEL}: no classes"] if known else []
        classes, labels = ((), []) if known else classes_of(n.partition("/")[2] for n in names)
    return Source(
        path,
        names,
        tuple((place.size, place.start) for _, _, place in found.images),
        found.others,
        read_member,
        tuple(place for _, _, place in found.images),
        tuple(labels) if classes else None,
        classes,
        tuple(notes),
    )


def read_member(path: Path, place: Place) -> bytes | None:
    """The bytes of a member; None for one too large to be a wanted image."""
    if place.size > MAX_FILE_BYTES:
        return None
    with Path(place.shard).open("rb") as file:
        file.seek(place.start)
        content = file.read(place.size)
    if len(content) < place.size:
        raise EOFError(place.shard)
    return content


def _look_into(shard: Path, found: Found) -> None:
    """Add what one shard holds."""
    total = shard.stat().st_size
    with shard.open("rb") as file:
        for member in _members(shard, file, found):
            name = member.name
            if leads_out_of_archive(name):
                raise InputError(
                    f"`{shard}`: the name `{name}` leads out of the archive",
                    "do not trust this file; pack the images again with plain names",
                )
            found.links += member.issym() or member.islnk()
            place = Place(str(shard), member.offset_data, member.size)
            cut = place.start + place.size > total  # what follows tells of it
            if not member.isreg() or member.issparse() or is_hidden(name) or cut:
                continue
            path = PurePosixPath(name)
            key = f"{shard}/{path.parent}/{path.name.partition('.')[0]}"
            if path.suffix.lower() in EXTENSIONS:
                found.images.append((f"{shard.stem}/{path}", key, place))
            elif path.suffix == LABEL and place.size <= MAX_LABEL_BYTES:
                found.labels[key] = _label(file, place)
            else:
                found.others += 1


def _members(shard: Path, file: BinaryIO, found: Found) -> Iterator[tarfile.TarInfo]:
    """The members of a shard as far as it can be read; what is wrong with the rest is told."""
    try:
        archive = tarfile.TarFile(fileobj=file)
        before = -1
        while (member := archive.next()) is not None:
            if member.size < 0 or archive.offset <= before:
                raise tarfile.ReadError("a member of impossible size")
            vars(archive)["members"].clear()  # they would fill memory
            before = archive.offset
            yield member
        file.seek(archive.offset)
        if any(file.read(tarfile.BLOCKSIZE)):  # tarfile takes a damaged header for the end
            raise tarfile.ReadError(f"damaged at byte {archive.offset:,}")
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        found.broken.append(f"{shard.name} can be read in part only: {error}")


def _label(file: BinaryIO, place: Place) -> str:
    file.seek(place.start)
    return file.read(place.size).decode("utf-8", "replace").strip()


def _in_order(label: str) -> tuple[int, int, str]:
    """Numbers by their size, then words."""
    plain = label.isascii() and label.isdecimal()
    return (0, int(label), label) if plain else (1, 0, label)
