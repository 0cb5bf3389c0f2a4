"""What can go wrong, in words a user can act on."""

from __future__ import annotations

import difflib
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path


class SparringError(Exception):
    """An expected failure: `message` says what and where, `hint` says what to do about it."""

    code = "failed"
    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def record(self) -> dict[str, str]:
        """The error as it is printed with `--json`."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class InputError(SparringError):
    """The user's input was wrong: exit code 2."""

    code = "input"
    exit_code = 2


class DiskFull(SparringError):
    """There is no room where something has to be written: exit code 1."""

    code = "disk"


class StoppedByFinding(SparringError):
    """Training was stopped by a finding of the referee: exit code 3."""

    code = "stopped"
    exit_code = 3


def said_by(error: Exception) -> str:
    """What an error of other code says, in one line, and the last line of the user's it is from."""
    told = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    libraries = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), "<")
    package = str(Path(__file__).parent)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith((*libraries, package)):
            return f"{told} ({Path(frame.filename).name}, line {frame.lineno})"
    return told


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean X?` for the nearest known word, or the list of what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"did you mean `{close[0]}`?" if close else f"choose one of: {', '.join(names)}"


class Interrupted(SparringError):
    """A signal ended training; the checkpoint is saved."""

    code = "interrupted"

    def __init__(self, number: int, run: str, step: int) -> None:
        super().__init__(
            f"interrupted at step {step}, everything is saved",
            f"go on with: sparring train --resume --out {run}",
        )
        self.exit_code = 128 + number
