"""What a process and all it started hold in memory, watched from outside."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

EVERY = 0.1  # seconds


class Command(NamedTuple):
    """What a command said and how much memory it took, in bytes at its worst moment.

    `anonymous` is what has no file behind it, which alone must stay in memory; `resident` counts
    pages of memory-mapped files too.
    """

    stdout: str
    anonymous: int
    resident: int


def watched(words: Sequence[str], **how: Any) -> Command:
    """Run a command to its end and watch its memory and that of its children, added up."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, **how)
    worst = {"Anonymous": 0, "Rss": 0}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(EVERY):
            held = [rollup(pid) for pid in tree(process.pid)]
            for key in worst:
                worst[key] = max(worst[key], sum(one.get(key, 0) for one in held))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        stdout = process.communicate()[0]
    finally:
        over.set()
        watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    return Command(stdout, worst["Anonymous"], worst["Rss"])


def tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    found = [root]
    for pid in found:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:  # it has ended
                continue
    return found


def rollup(pid: int) -> dict[str, int]:
    """Bytes of each kind of memory of a process; empty for one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    pairs = (line.split()[:2] for line in lines)
    return {name.rstrip(":"): int(kilobytes) * 1024 for name, kilobytes in pairs}
