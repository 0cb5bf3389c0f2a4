"""Data that never waits: memory of large sets, time spent on data, sampling, the audit.

    python -m benchmarks.streaming [--quick] [--only memory waiting sampling audit]

`memory` packs 200,000 64x64 colour images from tar shards and trains `dcgan` on them, each in a
process of its own whose memory is watched with that of its children. `waiting` asks which share of
a step the training thread spends to get the step's real images, when their file is in the system's
cache and when it is not. `sampling` compares `sparring sample` with the generator alone.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

import sparring
from benchmarks import common
from benchmarks.memory import watched
from sparring import api
from sparring.data import Dataset, open_data, to_network
from sparring.games import GAMES
from sparring.png import png
from sparring.recipe import Data, Recipe
from sparring.recipes import load_recipe
from sparring.training.state import State
from sparring.training.step import run_step

IMAGES, QUICK_IMAGES, SHARDS, SIZE = 200_000, 4_000, 20, 64
TURNS = 3
MOST_ANONYMOUS, MOST_WAITING, LEAST_RATE = 1.5, 0.02, 0.9
GB = 1e9
SCORING = {"evaluation.samples": 500, "evaluation.final_samples": 1000}

Result = dict[str, Any]


def memory(quick: bool) -> Result:
    """Packing and training, each watched as a process."""
    count = QUICK_IMAGES if quick else IMAGES
    with common.scratch() as folder:
        os.environ["SPARRING_CACHE"] = str(folder / "cache")
        write_shards(folder / "shards", count)
        stored = sum(path.stat().st_size for path in (folder / "shards").iterdir())
        packed = folder / "packed.safetensors"
        name = ["data", "pack", str(folder / "shards"), str(packed), "--size", str(SIZE)]
        started = time.perf_counter()
        packing = watched([sys.executable, "-m", "sparring", *name])
        seconds = time.perf_counter() - started
        rows = [row("packing", packing.anonymous, packing.resident)]
        steps = 20 if quick else 200
        words = ["train", "dcgan", f"steps={steps}", "--data", str(folder / "shards"), "--json"]
        words += [f"{key}={value}" for key, value in SCORING.items()]
        words += [f"data.size={SIZE}", "--out", str(folder / "run")]
        training = watched([sys.executable, "-m", "sparring", *words])
        rows.append(row("training", training.anonymous, training.resident))
        size = packed.stat().st_size
    peak = max(one["anonymous_gb"] for one in rows)
    return {
        "settings": {"images": count, "size": SIZE, "steps": steps},
        "gigabytes": {"shards": round(stored / GB, 2), "packed": round(size / GB, 2)},
        "packed_images_per_second": round(count / seconds),
        "trained": {"seconds": json.loads(training.stdout)["seconds"], "steps": steps},
        "rows": rows,
        "goals": [common.goal("anonymous memory, GB", peak, MOST_ANONYMOUS, at_least=False)],
    }


def row(what: str, anonymous: int, resident: int) -> Result:
    return {
        "process": what,
        "anonymous_gb": round(anonymous / GB, 2),
        "resident_gb": round(resident / GB, 2),
    }


def write_shards(folder: Path, count: int) -> None:
    """Tar shards of PNG files: digits in a random colour over noise, no two alike."""
    folder.mkdir(parents=True)
    digits = open_data(Data(name="mnist5k", size=SIZE)).values.numpy()
    each = count // SHARDS

    def shard(number: int) -> None:
        rng = np.random.default_rng(number)
        with tarfile.open(folder / f"set-{number:06d}.tar", "w") as archive:
            for index in range(number * each, (number + 1) * each):
                grain = rng.integers(0, 32, (3, SIZE, SIZE), dtype=np.uint8)
                colour = rng.integers(80, 224, (3, 1, 1), dtype=np.uint16)
                digit = digits[index % len(digits)].astype(np.uint16) * colour // 255
                content = png(digit.astype(np.uint8) + grain)
                entry = tarfile.TarInfo(f"{index:06d}.png")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(shard, range(SHARDS)))


def waiting(quick: bool) -> Result:
    """The share of a step that goes into its real images, for each kind of source."""
    count = QUICK_IMAGES if quick else IMAGES // 4
    rows = []
    with common.scratch() as folder:
        os.environ["SPARRING_CACHE"] = str(folder / "cache")
        write_shards(folder / "shards", count)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(unpack, sorted((folder / "shards").iterdir())))
        open_data(Data(name=str(folder / "shards"), size=SIZE))
        small = folder / "digits.safetensors"
        api.pack("mnist5k", small)
        pictures = folder / "pictures.safetensors"
        api.pack(str(folder / "shards"), pictures, size=SIZE)
        cases = [
            ("tar shards", "dcgan", folder / "shards", folder / "cache" / "packed"),
            ("folder", "dcgan", folder / "files", folder / "cache" / "packed"),
            ("packed file", "dcgan", pictures, pictures),
            ("packed file", "mlp-mnist", small, small),
            ("packed file", "digits", small, small),
        ]
        for source, name, path, kept in cases:
            for cold in (False, True):
                steps = (10 if name == "dcgan" else 50) * (1 if quick else 4)
                figures = share_of_data(name, path, kept, cold, steps)
                rows.append({"source": source, "recipe": name, "file": told(cold)} | figures)
    worst = max(one["share"] for one in rows)
    return {
        "settings": {"images": count, "size": SIZE},
        "rows": rows,
        "goals": [common.goal("share of a step", worst, MOST_WAITING, at_least=False)],
    }


def told(cold: bool) -> str:
    return "not in the cache" if cold else "in the cache"


def unpack(shard: Path) -> None:
    with tarfile.open(shard) as archive:
        archive.extractall(shard.parent.parent / "files" / shard.stem, filter="data")


def share_of_data(name: str, path: Path, kept: Path, cold: bool, steps: int) -> Result:
    """Milliseconds a step in the game's `real`, and of the whole step, over a run of steps."""
    recipe = load_recipe(name)
    recipe.data = Data(name=str(path), size=SIZE if name == "dcgan" else None)
    dataset = open_data(recipe.data)
    if cold:
        del dataset  # pages that are mapped cannot be dropped
        for file in kept.iterdir() if kept.is_dir() else [kept]:
            forget(file)
        dataset = open_data(recipe.data)
    elif len(dataset.values):
        for part in dataset.values.split(4096):
            part.sum()
    state = state_of(recipe, dataset)
    spent = 0.0
    real = state.game.real

    def timed_real(move: Any) -> Any:
        nonlocal spent
        started = time.perf_counter()
        found = to_network(real(move), torch.device("cpu"))
        spent += time.perf_counter() - started
        return found

    whole, parts = [], []
    state.game.real = timed_real
    for _ in range(steps):
        spent = 0.0
        whole.append(common.timed(lambda: run_step(state)))
        parts.append(spent)
    return {
        "ms_a_step": round(1e3 * sum(whole) / steps, 2),
        "ms_for_data": round(1e3 * sum(parts) / steps, 3),
        "ms_at_most": round(1e3 * max(parts), 2),
        "share": round(sum(parts) / sum(whole), 4),
    }


def state_of(recipe: Recipe, dataset: Dataset) -> State:
    device = torch.device("cpu")
    return State(GAMES[recipe.game](recipe, dataset, device), recipe, device)


def forget(file: Path) -> None:
    """Drop what the system keeps of a file in memory."""
    descriptor = os.open(file, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def sampling(quick: bool) -> Result:
    """Samples a second and memory of the command against the generator alone."""
    counts = (256, 1024) if quick else (10_000, 100_000)
    rows = []
    with common.scratch() as folder:
        for name, data in (("digits", "mnist5k"), ("dcgan", "mnist5k")):
            run = folder / name
            chosen: dict[str, Any] = {"steps": 10} | SCORING
            sparring.train(name, data=data, out=run, overrides=chosen)
            for count in counts if name == "digits" else counts[:1]:
                for form in ("x.npz", "x"):
                    out = folder / f"{name}-{count}-{form}"
                    rows.append({"recipe": name} | sampled(run, count, out))
    archives = [one for one in rows if one["to"] == "one archive" and one["recipe"] == "digits"]
    growth = archives[-1]["anonymous_gb"] / archives[0]["anonymous_gb"]
    slowest = min(one["share"] for one in rows if one["to"] == "one archive")
    return {
        "rows": rows,
        "goals": [
            common.goal("of the generator's own rate, to an archive", slowest, LEAST_RATE, True),
            common.goal("memory for ten times as many", round(growth, 3), 1.1, at_least=False),
        ],
    }


def sampled(run: Path, count: int, out: Path) -> Result:
    """The command and the generator alone in turns: the median of their ratios."""
    rates, shares, held = [], [], 0
    for turn in range(TURNS):
        own = out.with_name(f"{turn}-{out.name}")
        words = ["sample", str(run), "--count", str(count), "--json", "--out", str(own)]
        before = bare_rate(run, min(count, 10_000))
        found = watched([sys.executable, "-m", "sparring", *words])
        alone = (before + bare_rate(run, min(count, 10_000))) / 2
        rates.append(count / json.loads(found.stdout)["seconds"])
        shares.append(rates[-1] / alone)
        held = max(held, found.anonymous)
        own.unlink() if own.is_file() else shutil.rmtree(own)
    return {
        "count": count,
        "to": "one archive" if out.suffix else "a PNG each",
        "per_second": round(median(rates)),
        "generator_alone": round(median(rates) / median(shares)),
        "share": round(median(shares), 3),
        "anonymous_gb": round(held / GB, 3),
    }


@torch.inference_mode()
def bare_rate(run: Path, count: int, batch: int = 64) -> float:
    """Samples a second of the generator and nothing else: the same latents again and again."""
    generator = sparring.load(run)
    z = torch.randn(batch, api.read(run).latent.size)
    for _ in range(3):
        generator(z)
    rates = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(max(1, count // batch // 5)):
            generator(z)
        rates.append(max(1, count // batch // 5) * batch / (time.perf_counter() - started))
    return median(rates)


def audit(quick: bool) -> Result:
    """Images a second of the audit, of PNG files on all cores."""
    count = QUICK_IMAGES if quick else 20_000
    rows = []
    with common.scratch() as folder:
        write_shards(folder / "shards", count)
        for shard in sorted((folder / "shards").iterdir()):
            unpack(shard)
        contenders: dict[str, Callable[[], Any]] = {
            "sparring": lambda: sparring.audit(folder / "files")
        }
        if other := cleanvision(folder / "files"):
            contenders["CleanVision"] = other
        for name, work in contenders.items():
            seconds = common.timed(work)
            rows.append({"program": name, "images_per_second": round(count / seconds)})
    return {"settings": {"images": count, "size": SIZE}, "rows": rows}


def cleanvision(folder: Path) -> Callable[[], Any] | None:
    """The same by CleanVision on as many processes, where it is installed."""
    try:
        from cleanvision import Imagelab
    except ImportError:
        return None
    jobs = len(os.sched_getaffinity(0))
    return lambda: Imagelab(data_path=str(folder)).find_issues(n_jobs=jobs, verbose=False)


def show(part: str, result: Result) -> None:
    print(common.table(result["rows"], part))
    if result.get("goals"):
        print(common.table(result["goals"]))


def main() -> None:
    parts = {"memory": memory, "waiting": waiting, "sampling": sampling, "audit": audit}
    common.run_parts(__doc__, "streaming", parts, show)


if __name__ == "__main__":
    main()
