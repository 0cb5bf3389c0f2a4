"""A copy of a data set without the samples that an audit complains of."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from sparring.data.audit import Problem
from sparring.data.dataset import Dataset
from sparring.data.source import Source, leads_out
from sparring.errors import InputError
from sparring.run import cannot_write

OF_CLASSES = ("class-imbalance",)  # problems that no sample has by itself
OF_PAIRS = ("held-out-duplicate",)  # gone with the duplicates


def check_target(target: Path, source: Path | None) -> None:
    """InputError unless a cleaned copy can be made at `target` without touching the original."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"`{target}` exists already and is not empty", "choose another --fix")
    if source is None:
        return
    whole, part = source.resolve(), target.resolve()
    if part == whole or whole in part.parents:
        raise InputError(
            f"`{target}` lies in the data that it would be a copy of", "choose another --fix"
        )


def write_cleaned_files(source: Source, problems: Sequence[Problem], target: Path) -> int:
    """Copy the files without problems, byte for byte, under their names; returns how many.

    A file that a link leads to outside of the source is not copied.
    """
    bad = _bad(problems)
    kept = 0
    with _whole(target) as folder:
        for place, name in enumerate(source.files):
            if place in bad or leads_out(source.path, name):
                continue
            content = source.content(place)
            assert content is not None  # it was read before
            copy = folder / _name(source, place, content)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
            kept += 1
    return kept


def write_cleaned_arrays(dataset: Dataset, problems: Sequence[Problem], target: Path) -> int:
    """Write the samples without problems: images as PNG files, a folder a class; vectors as npz."""
    bad = _bad(problems)
    rows = [index for index in range(len(dataset.values)) if index not in bad]
    labels = None if dataset.labels is None else dataset.labels.numpy()
    with _whole(target) as folder:
        if not dataset.is_images:
            arrays = {"samples": dataset.values[rows].numpy()}
            arrays |= {} if labels is None else {"labels": labels[rows]}
            np.savez_compressed(folder / f"{dataset.name}.npz", allow_pickle=False, **arrays)
            return len(rows)
        for name in dataset.classes if labels is not None else ():
            (folder / _plain(name)).mkdir(exist_ok=True)
        for row in rows:
            array = dataset.values[row].numpy()
            image = Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0))
            place = folder if labels is None else folder / _plain(dataset.classes[labels[row]])
            image.save(place / f"{row:06d}.png")
    return len(rows)


def _name(source: Source, place: int, content: bytes) -> str:
    """What a file is called in the copy: in the folder of its class if its own does not say it."""
    name = source.files[place]
    if not PurePosixPath(name).suffix:  # a row of a table
        name += f".{str(Image.open(io.BytesIO(content)).format).lower()}"
    if source.labels is None:
        return name
    return f"{_plain(source.classes[source.labels[place]])}/{name.replace('/', '-')}"


def _bad(problems: Sequence[Problem]) -> set[int]:
    return {
        place
        for problem in problems
        if problem.code not in (*OF_CLASSES, *OF_PAIRS)
        for place in problem.places
    }


def _plain(name: str) -> str:
    """A class as the name of a folder."""
    return name.replace("/", "-").lstrip(".") or "-"


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A folder to write to that becomes `target` when all is written, and else is gone."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise cannot_write(target, error) from None
    try:
        yield folder
        folder.chmod(0o755)
        if target.is_dir():
            target.rmdir()
        folder.replace(target)
    except OSError as error:
        raise cannot_write(target, error) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
