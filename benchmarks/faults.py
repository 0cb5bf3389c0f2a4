"""What is lost when something breaks: a rank killed, a full disk, a data file that vanishes.

    python -m benchmarks.faults [--quick] [--only kill disk data]

`kill`: `digits` on two processes under `torchrun --max-restarts`, one of them, drawn by lot, killed
(SIGKILL) at a moment drawn by lot; afterwards the run has to be the one that nobody disturbed, bit
for bit. `disk`: a disk that is full before the run's second checkpoint (a small tmpfs, which needs
root); with room again, `--resume` has to end as if nothing had happened. `data`: the packed file of
a folder of images is removed, emptied or cut in the middle of a run. No exit may be a traceback.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks import common
from sparring.data import open_data
from sparring.recipe import Data
from sparring.training import checkpoint

Result = dict[str, Any]
KILLS = 10
SECONDS = 300.0  # that a run may take
# Short, with a checkpoint a second, and nothing that looks at the clock.
RUN = ["digits", "steps=240", "tick=16", "checkpoint_seconds=1", "evaluation.every=8000"]
WITHOUT_SCORES = ["evaluation.metrics=[]", "evaluation.final_samples=1000"]


def kill(quick: bool) -> Result:
    """One of two processes ends at a random moment; torchrun starts both again."""
    draws = random.Random(0)
    with common.scratch() as folder:
        seconds = undisturbed(folder / "whole", processes=2)
        rows = []
        for number in range(2 if quick else KILLS):
            out = folder / str(number)
            rank, moment = draws.randrange(2), draws.uniform(0.1, 0.9)
            rows.append(killed(out, rank, moment * seconds) | same(out, folder / "whole"))
    return {
        "settings": {"words": RUN, "processes": 2, "seconds_undisturbed": round(seconds, 1)},
        "rows": rows,
        "goals": [
            common.goal("runs that ended with 0", _count(rows, "code", 0), len(rows), True),
            common.goal("runs equal bit for bit", _count(rows, "same", True), len(rows), True),
            common.goal("tracebacks", _count(rows, "traceback", True), 0, at_least=False),
        ],
    }


def killed(out: Path, rank: int, moment: float) -> Result:
    """A run whose process `rank` is killed so many seconds after its start."""
    process = train(out, processes=2)
    time.sleep(moment)
    victims = [pid for pid in _children(process.pid) if _rank(pid) == str(rank)]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    reached, kept = seen_step(out), last_step(out)
    code, told = end(process)
    return {
        "rank": rank,
        "after_seconds": round(moment, 1),
        "killed": len(victims),
        "at_tick": reached,
        "went_on_from": kept,
        "code": code,
        "traceback": "Traceback" in told,
        "said": said(told),
    }


def disk(quick: bool) -> Result:
    """No room in the middle of a run, then room again."""
    with common.scratch() as folder, small_disk(folder / "disk") as small:
        undisturbed(folder / "whole")
        out = small / "run"
        process = train(out)
        while last_step(out) is None:
            time.sleep(0.05)
        filler = small / "filler"
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(bytes(65536))
                    file.flush()
            except OSError:
                pass  # it is full
        code, told = end(process)
        kept = last_step(out)
        filler.unlink()
        again, _ = end(train(out, "--resume"))
        row = {"code": code, "traceback": "Traceback" in told, "said": said(told), "kept": kept}
        row |= {"code_of_resume": again} | same(out, folder / "whole")
    return {
        "rows": [row],
        "goals": [
            common.goal("resumed with room, equal bit for bit", int(row["same"]), 1, True),
            common.goal("tracebacks", int(row["traceback"]), 0, at_least=False),
        ],
    }


def data(quick: bool) -> Result:
    """The packed data of a run is lost while it trains."""
    breaks: dict[str, Callable[[Path], None]] = {
        "removed": Path.unlink,
        "emptied": lambda path: os.truncate(path, 0),
        "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
    }
    rows = []
    with common.scratch() as folder:
        images = folder_of_images(folder / "images")
        words = ["--data", str(images), *WITHOUT_SCORES]
        end(train(folder / "whole", *words, cache=folder / "cache"))
        for name, damage in breaks.items():
            cache, out = folder / f"cache {name}", folder / f"run {name}"
            process = train(out, *words, cache=cache)
            while last_step(out) is None:
                time.sleep(0.05)
            (packed,) = (path for path in (cache / "packed").iterdir() if path.is_file())
            damage(packed)
            code, told = end(process)
            kept = last_step(out)
            again, _ = end(train(out, "--resume", cache=cache))
            rows.append(
                {
                    "the data file is": name,
                    "code": code,
                    "traceback": "Traceback" in told,
                    "said": said(told),
                    "kept": kept,
                    "code_of_resume": again,
                }
                | same(out, folder / "whole")
            )
    return {
        "rows": rows,
        "goals": [
            common.goal("runs equal bit for bit", _count(rows, "same", True), len(rows), True),
            common.goal("tracebacks", _count(rows, "traceback", True), 0, at_least=False),
        ],
    }


def train(
    out: Path, *words: str, processes: int = 1, cache: Path | None = None
) -> subprocess.Popen[str]:
    """A run on the command line: `RUN`, or what `words` say."""
    how = ["-m", "torch.distributed.run", "--standalone", "--max-restarts=3"]
    launcher = [*how, f"--nproc-per-node={processes}"] if processes > 1 else []
    recipe = [] if "--resume" in words else RUN
    environment = os.environ | ({"SPARRING_CACHE": str(cache)} if cache else {})
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "sparring", "train", *recipe, *words, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment | {"OMP_NUM_THREADS": "1"},
    )


def undisturbed(out: Path, processes: int = 1) -> float:
    """The same run without a fault, and how long it takes."""
    began = time.perf_counter()
    code, told = end(train(out, processes=processes))
    if code:
        raise RuntimeError(told)
    return time.perf_counter() - began


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    told = process.communicate(timeout=SECONDS)[1]
    return process.returncode, told


def said(told: str) -> str:
    """What a run said of what went wrong: that another process is lost, or its last lines. Without
    the names of this benchmark's folders."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    lost = [line for line in lines if "has lost another" in line]
    return re.sub(r"\S*/sparring-\w+/", "", " / ".join(lost[:1] or lines[-2:]))[:300]


def last_step(out: Path) -> int | None:
    """The step of the newest checkpoint that can be read."""
    found = checkpoint.load_latest(out / "checkpoints") if out.exists() else None
    return int(found.meta["step"]) if found else None


def seen_step(out: Path) -> int:
    """The step of the last line of the history."""
    file = out / "history.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return int(json.loads(lines[-1])["step"]) if lines else 0


def same(ours: Path, theirs: Path) -> Result:
    """Whether two runs ended with the same tensors, bit for bit."""
    a, b = (
        checkpoint.read(run / "checkpoints" / checkpoint.LAST).tensors for run in (ours, theirs)
    )
    equal = a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    steps = [
        [json.loads(line)["step"] for line in (run / "history.jsonl").open()]
        for run in (ours, theirs)
    ]
    return {"same": equal and steps[0] == steps[1]}


@contextmanager
def small_disk(folder: Path, megabytes: int = 40) -> Iterator[Path]:
    """A disk of its own, as small as that."""
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def folder_of_images(folder: Path) -> Path:
    """The bundled digits as a folder of files."""
    folder.mkdir()
    images = open_data(Data(name="mnist5k")).values
    for number in range(2000):
        Image.fromarray(images[number, 0].numpy()).save(folder / f"{number}.png")
    return folder


def _count(rows: list[Result], key: str, value: Any) -> int:
    return sum(row[key] == value for row in rows)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _rank(pid: int) -> str:
    words = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return next((word.partition("=")[2] for word in words if word.startswith("RANK=")), "")


PARTS = {"kill": kill, "disk": disk, "data": data}


def show(name: str, result: Result) -> None:
    print(common.table(result["rows"], name))
    print(common.table(result["goals"]))


def main() -> None:
    common.run_parts(__doc__, "faults", PARTS, show)


if __name__ == "__main__":
    main()
