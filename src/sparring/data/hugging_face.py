"""Hugging Face data sets of images, by their name on the hub or from a folder (extra `data`)."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from sparring.data.known import cache_home
from sparring.data.source import MAX_FILE_BYTES, Source
from sparring.errors import InputError, said_by

PREFIX = "hf:"
SPLIT = "train"  # what is trained on; its held-out samples are drawn as those of a folder


def find_rows(name: str) -> Source:
    """The images of the `train` split, or of the only one; classes where a column holds them.

    `name` is that of a data set on the hub, or the path of a folder: `save_to_disk`, Parquet
    files, or images with metadata. Rows are read where they lie, memory-mapped.
    """
    rows, _, label = _opened(name)
    count = len(rows)
    notes = [f"split {rows.split}"] if rows.split is not None else []
    labels = None
    classes: tuple[str, ...] = ()
    if label is not None:
        found = [-1 if value is None else int(value) for value in rows[label]]
        if min(found, default=-1) >= 0:
            labels, classes = tuple(found), tuple(rows.features[label].names)
        else:
            notes.append(f"column `{label}` lacks values: no classes")
    files = tuple(f"{index:08d}" for index in range(count))
    return Source(
        Path(name), files, (), 0, read_row, tuple(range(count)), labels, classes, tuple(notes)
    )


def stamp_of(name: str) -> str:
    """What tells that the data set has changed."""
    return str(_opened(name)[0]._fingerprint)


def read_row(path: Path, index: int) -> bytes | None:
    """The encoded image of one row, empty where there is none."""
    rows, image, _ = _opened(str(path))
    cell = rows[index][image] or {}
    content: bytes = cell.get("bytes") or b""
    if not content and cell.get("path"):
        file = Path(cell["path"])
        return None if file.stat().st_size > MAX_FILE_BYTES else file.read_bytes()
    return None if len(content) > MAX_FILE_BYTES else content


@lru_cache(maxsize=2)
def _opened(name: str) -> tuple[Any, str, str | None]:
    """The rows, undecoded, with the column of images and that of classes."""
    datasets = _library()
    path = Path(name).expanduser()
    try:
        if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
            found = datasets.load_from_disk(str(path))
        elif path.exists():
            kept = str(cache_home() / "hugging-face")
            found = datasets.load_dataset(str(path.resolve()), cache_dir=kept)
        else:
            found = datasets.load_dataset(name)
    except Exception as error:  # the library raises what its many parts do
        raise InputError(
            f"data `{PREFIX}{name}` cannot be opened: {said_by(error)}",
            "give the name of a data set on the hub (which needs a network), or the folder of one",
        ) from None
    if isinstance(found, dict):
        found = found[SPLIT if SPLIT in found else next(iter(found))]
    images = [key for key, kind in found.features.items() if isinstance(kind, datasets.Image)]
    labels = [key for key, kind in found.features.items() if isinstance(kind, datasets.ClassLabel)]
    if not images:
        raise InputError(
            f"data `{PREFIX}{name}` has no column of images (it has: {', '.join(found.features)})",
            "choose a data set of images",
        )
    rows = found.cast_column(images[0], datasets.Image(decode=False))
    return rows, images[0], labels[0] if labels else None


def _library() -> Any:
    try:
        import datasets
    except ImportError:
        raise InputError(
            "Hugging Face data sets need the package `datasets`",
            "pip install 'sparring[data]'",
        ) from None
    with suppress(AttributeError):
        datasets.disable_progress_bars()
    return datasets
