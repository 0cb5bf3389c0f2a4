"""How a command ends: an expected error is a message and a code, never a traceback."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from sparring.cli.common import app
from sparring.errors import SparringError
from sparring.launch import leads, several
from sparring.run import disk_full, is_full

# Of several processes the first says what ends the run: what all meet, and what one alone may.
OF_ALL, OF_ANY = ("interrupted", "stopped", "elsewhere"), ("input", "disk")
SECONDS_FOR_THE_FIRST = 15  # after which it does not seem to have met the same error
stderr = Console(stderr=True, highlight=False)
# Newer versions of Typer carry a copy of click, whose exceptions are not those of the package.
ClickException: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def main() -> None:
    """Run the command; an expected error is a message and an exit code, never a traceback."""
    as_json = "--json" in sys.argv[1:]
    try:
        code = app(standalone_mode=False)
    except typer.Exit as stop:
        code = stop.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = fail({"code": "interrupted", "message": "interrupted", "hint": ""}, 130, as_json)
    except ClickException as error:
        record = {"code": "input", "message": error.format_message(), "hint": "see --help"}
        code = fail(record, 2, as_json)
    except SparringError as error:
        code = fail(error.record(), error.exit_code, as_json)
    except OSError as error:
        problem = disk_full(Path(error.filename or ".")) if is_full(error) else None
        told = problem or SparringError(str(error), "check the disk and the path")
        code = fail(told.record(), 1, as_json)
    except Exception as error:
        code = fail(unexpected(error), 1, as_json)
    status = code if isinstance(code, int) else 0
    if several():
        # Threads of the processes' connections may outlive the interpreter, which then aborts.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def unexpected(error: Exception) -> dict[str, str]:
    """What memory could not hold, or a mistake: of this program, or of the user's own networks."""
    message = f"{type(error).__name__}: {error}"
    scarce = ("out of memory", "allocate memory", "not enough memory")
    if isinstance(error, MemoryError) or any(words in str(error) for words in scarce):
        hint = "lower batch_size, or set micro_batch; lower generator.width, discriminator.width"
        return {"code": "memory", "message": f"out of memory: {message}", "hint": hint}
    traceback.print_exception(error)
    hint = "if it is not in code of your own, please report it with the lines above"
    return {"code": "failed", "message": f"unexpected {message}", "hint": hint}


def fail(record: dict[str, str], code: int, as_json: bool) -> int:
    speaker = ""
    if not leads() and record["code"] in (*OF_ALL, *OF_ANY):
        # torchrun ends all processes when one has ended: the first must have spoken by then.
        try:
            time.sleep(SECONDS_FOR_THE_FIRST)
        except KeyboardInterrupt:
            return code
        if record["code"] in OF_ALL:
            return code
        speaker = f"process {os.environ['RANK']}: "
    hint = f"\n{record['hint']}" if record["hint"] else ""
    stderr.print(f"{speaker}{record['message']}{hint}", markup=False, soft_wrap=True)
    if as_json and leads():
        print(json.dumps({"error": record}))
    return code
