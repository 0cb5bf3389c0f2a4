"""Every block of the guide runs: in order, in a folder of the page's own, with nothing downloaded.

Trainings are cut short (short.py). What a page calls `text` is output and not run; neither is a
block whose first line is a comment that says `not run:` and why.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from short import shortened
from true_formats import write_small_sets

import sparring

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
LANGUAGES = ("bash", "python", "text")
FENCE = re.compile(r"^(\s*)```(.*)$")


class Block(NamedTuple):
    """A fenced block: its language, its text, the line of the page it starts on."""

    language: str
    code: str
    line: int

    @property
    def runs(self) -> bool:
        return self.language != "text" and not self.code.startswith("# not run:")


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page; a ValueError for one that would never be looked at."""
    found: list[Block] = []
    opened: tuple[str, int] | None = None
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if fence and opened is None:
            indent, language = fence.groups()
            if indent or language not in LANGUAGES:
                raise ValueError(f"line {number}: `{line}` is none of {LANGUAGES} at the margin")
            opened = language, number
        elif fence and opened:
            language, first = opened
            found.append(Block(language, "\n".join(lines[first : number - 1]) + "\n", first + 1))
            opened = None
    if opened:
        raise ValueError(f"line {opened[1]}: the block is never closed")
    return found


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a process that runs `sparring` commands without importing anything."""
    address = str(tmp_path_factory.mktemp("warm") / "socket")
    process = subprocess.Popen([sys.executable, str(HERE / "warm.py"), address])
    try:
        while not Path(address).exists():
            assert process.poll() is None
            time.sleep(0.05)
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm: str) -> Path:
    """Where a page's reader stands: nothing is there yet but small sets in true formats."""
    bins = (HERE / "bin", Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([*map(str, bins), os.environ["PATH"]]))
    monkeypatch.setenv("SPARRING_WARM", warm)
    monkeypatch.setenv("SPARRING_DATA", str(tmp_path / "sets"))
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody answers there
    monkeypatch.setattr(sparring, "train", shortened(sparring.train))
    monkeypatch.setattr(sys, "path", list(sys.path))
    here = tmp_path / "here"
    here.mkdir()
    write_small_sets(tmp_path / "sets")
    monkeypatch.chdir(here)
    return here


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_a_page_runs(page: Path, folder: Path) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page.read_text()):
        if not block.runs:
            continue
        where = f"{page.name}, line {block.line}"
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), names)
            continue
        script = f"set -euo pipefail\n{block.code}"
        code, told = in_bash(script)
        assert code == 0, f"{where}:\n{told}"
        assert "Traceback" not in told, where


def in_bash(script: str, seconds: float = 120) -> tuple[int, str]:
    """The exit code of a script and all it printed; whatever it started is ended with it."""
    with (
        tempfile.TemporaryFile("w+") as told,
        subprocess.Popen(
            ["bash", "-c", script], stdout=told, stderr=told, start_new_session=True
        ) as bash,
    ):
        try:
            code = bash.wait(seconds)
        except subprocess.TimeoutExpired:
            code = -1
        with contextlib.suppress(ProcessLookupError):
            os.killpg(bash.pid, signal.SIGKILL)
        told.seek(0)
        return code, told.read()


def test_a_block_that_would_not_be_run_is_found() -> None:
    assert blocks("```bash\ntrue\n```\n") == [Block("bash", "true\n", 2)]
    for text in ("```\nx\n```\n", "- a\n  ```bash\n  x\n  ```\n", "```python\nx\n", "```sh\n```\n"):
        with pytest.raises(ValueError, match="line"):
            blocks(text)


def test_a_command_that_fails_fails_the_page(folder: Path) -> None:
    for command, code in (("false", 1), ("sparring train digts", 2), ("sparring --version", 0)):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
        assert done.returncode == code, done.stderr
