"""The run folder: what is called how, and files that are whole or not there."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from sparring.errors import DiskFull, InputError, SparringError


class RunFolder:
    """The files of one run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.recipe = self.path / "recipe.yaml"
        self.history = self.path / "history.jsonl"
        self.samples = self.path / "samples"
        self.pictures = self.path / "pictures"
        self.evolution = self.path / "evolution.gif"
        self.checkpoints = self.path / "checkpoints"
        self.model = self.path / "model"
        self.metrics = self.path / "metrics.json"
        self.findings = self.path / "findings.json"
        self.summary = self.path / "summary.json"
        self.report = self.path / "report.html"

    @property
    def exists(self) -> bool:
        """Whether the folder holds a run."""
        try:
            return self.recipe.is_file()
        except OSError:  # a name that is too long; making the folder says so
            return False

    def create(self) -> None:
        """Make the folder; InputError where it holds a run already or cannot be written."""
        if self.exists:
            raise InputError(
                f"`{self.path}` holds a run already", "go on with --resume, or choose another --out"
            )
        try:
            for folder in (self.samples, self.checkpoints):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if is_full(error):
                raise disk_full(self.path) from None
            raise InputError(
                f"run folder `{self.path}` cannot be made: {_reason(error)}", "choose another --out"
            ) from None

    def clear(self) -> None:
        """Forget a run that has no checkpoint: its recipe and its history."""
        self.history.unlink(missing_ok=True)
        self.recipe.unlink(missing_ok=True)

    def read_history(self, until_step: int | None = None) -> list[dict[str, Any]]:
        """The ticks so far, up to a step; a line that is none, as a crash leaves it, ends them."""
        ticks = []
        for line in _lines(self.history):
            try:
                tick = json.loads(line)
                step = int(tick["step"])
            except (ValueError, TypeError, KeyError):
                break
            if until_step is not None and step > until_step:
                break
            ticks.append(tick)
        return ticks

    def cut_history(self, step: int) -> None:
        """Drop ticks after `step`, which a resumed run will make again."""
        kept = [line(tick) for tick in self.read_history(step)]
        write_text(self.history, "".join(kept))


def open_run(path: str | Path) -> RunFolder:
    """The run at `path`; InputError if there is none."""
    folder = RunFolder(path)
    if not folder.exists:
        raise InputError(
            f"`{folder.path}` holds no run (no recipe.yaml)", "runs are in `runs/` by default"
        )
    return folder


def next_free(recipe_name: str) -> Path:
    """The next unused runs/RECIPE-NNN."""
    parent = Path("runs")
    taken = {path.name for path in parent.glob(f"{recipe_name}-*")} if parent.is_dir() else set()
    number = 1
    while f"{recipe_name}-{number:03d}" in taken:
        number += 1
    return parent / f"{recipe_name}-{number:03d}"


def line(values: dict[str, Any]) -> str:
    """One line of JSON; NaN and Inf become null, which JSON can say."""
    return json.dumps(_clean(values), allow_nan=False) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(_clean(value), indent=2, allow_nan=False) + "\n")


def write_bytes(path: Path, content: bytes) -> None:
    with whole_file(path) as file:
        file.write(content)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that becomes `path` when all is written, and else is gone."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def append_text(path: Path, text: str) -> None:
    """Add to the end of a file."""
    try:
        with path.open("a") as file:
            file.write(text)
    except OSError as error:
        raise cannot_write(path, error) from None


def cannot_write(path: Path, error: OSError) -> SparringError:
    """The error in the user's words."""
    if is_full(error):
        return disk_full(path)
    hint = "choose another place, or check the permissions of this one"
    return InputError(f"`{path}` cannot be written: {_reason(error)}", hint)


def _reason(error: OSError) -> str:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "a file is where a folder has to be"
    if isinstance(error, IsADirectoryError):
        return "there is a folder of that name"
    return str(error.strerror)


def is_full(error: OSError) -> bool:
    """Whether the disk, or the user's share of it, is what gave out."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def disk_full(path: Path) -> DiskFull:
    """The error that names the disk which `path` lies on."""
    disk = path.absolute()
    while not disk.is_mount() and disk != disk.parent:
        disk = disk.parent
    return DiskFull(
        f"the disk at `{disk}` is full: `{path}` cannot be written",
        "free some space there, or choose a place on another disk",
    )


def _lines(path: Path) -> Iterator[str]:
    if path.is_file():
        with path.open(errors="replace") as file:
            yield from file


def _clean(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {key: _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return value
