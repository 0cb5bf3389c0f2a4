"""Images a second from 20,000 PNG files: packed once, a plain PIL loop, ImageFolder + DataLoader.

    python -m benchmarks.packing [--quick] [--rounds 3]

The files are the pictures of an emoji font, each several times with another background, crop and
colours, 96x96 pixels in ten subfolders; every contender brings them to 64x64 in batches of 64 in
[-1, 1]. For the package the first epoch includes packing. Contenders take turns; the files stay in
the system's cache, as they do between the epochs of a training.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks import common
from benchmarks.pictures import emoji
from sparring.data import Dataset, Sampler, open_data, to_network
from sparring.recipe import Data

COUNT, QUICK_COUNT, FOLDERS = 20_000, 400, 10
STORED, SIZE, BATCH = 96, 64, 64
CPU = torch.device("cpu")


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    count = QUICK_COUNT if options.quick else COUNT
    with common.scratch() as folder:
        os.environ["SPARRING_CACHE"] = str(folder / "cache")
        make_files(folder / "files", count)
        watch = common.Watch()
        times = interleaved(folder / "files", folder / "cache", options.rounds)
        rates = {name: common.spread([count / t for t in taken]) for name, taken in times.items()}
        packed = next((folder / "cache" / "packed").iterdir()).stat().st_size
        stored = sum(path.stat().st_size for path in (folder / "files").rglob("*.png"))
    result = {
        "settings": {"files": count, "stored": STORED, "size": SIZE, "batch_size": BATCH},
        "megabytes": {"files": round(stored / 1e6, 1), "packed": round(packed / 1e6, 1)},
        "images_per_second": rates,
        "ratios": {
            f"{epoch} over {other}": common.bootstrap_median(
                [theirs / ours for theirs, ours in zip(times[other], times[epoch], strict=True)]
            )
            for epoch in ("first epoch, packing included", "later epochs")
            for other in ("PIL loop", "ImageFolder + DataLoader")
        },
        "machine": watch.record(),
    }
    path = common.save_result("packing", result, options.quick)
    print(common.table([{"what": name, **rate} for name, rate in rates.items()], "images/s"))
    print(common.table([{"ratio": name, **figures} for name, figures in result["ratios"].items()]))
    print(f"quiet machine: {result['machine']['quiet']}\n{path}")


def make_files(folder: Path, count: int) -> None:
    """Pictures of the emoji font, varied, as PNG files in subfolders."""
    pictures = emoji(128)
    rng = random.Random(0)
    for index in range(count):
        picture = pictures[index % len(pictures)].numpy().transpose(1, 2, 0)
        left, top = rng.randrange(128 - STORED + 1), rng.randrange(128 - STORED + 1)
        cut = picture[top : top + STORED, left : left + STORED][..., rng.sample(range(3), 3)]
        target = folder / f"{index % FOLDERS}" / f"{index:05d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(cut)).save(target)


def interleaved(files: Path, cache: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of one epoch of each contender, in each round."""
    contenders: dict[str, Callable[[], Any]] = {
        "PIL loop": lambda: pil_epoch(files),
        "ImageFolder + DataLoader": lambda: loader_epoch(files),
    }
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, run in contenders.items():
            times.setdefault(name, []).append(common.timed(run))
        shutil.rmtree(cache, ignore_errors=True)
        started = time.perf_counter()
        dataset = open_data(Data(name=str(files)))
        packing = time.perf_counter() - started
        times.setdefault("packing alone", []).append(packing)
        epoch = common.timed(lambda dataset=dataset: packed_epoch(dataset))
        times.setdefault("first epoch, packing included", []).append(packing + epoch)
        started = time.perf_counter()
        packed_epoch(open_data(Data(name=str(files))))
        times.setdefault("later epochs", []).append(time.perf_counter() - started)
    return times


def packed_epoch(dataset: Dataset) -> None:
    """Every image once, in a shuffled order, as the package feeds its networks."""
    every = torch.arange(len(dataset.values))
    sampler = Sampler(every, seed=0)
    for position in range(0, len(every), BATCH):
        indices = sampler.at(position, min(BATCH, len(every) - position))
        to_network(dataset.values[indices], CPU)


def pil_epoch(files: Path) -> None:
    """The loop one would write: open, resize, convert, stack."""
    paths = list(files.rglob("*.png"))
    random.Random(0).shuffle(paths)
    for start in range(0, len(paths), BATCH):
        arrays = []
        for path in paths[start : start + BATCH]:
            image = Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.LANCZOS)
            arrays.append(np.asarray(image, dtype=np.float32) / 127.5 - 1)
        torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)


def loader_epoch(files: Path) -> None:
    """The tutorials' way: transforms for each sample, workers on all cores."""
    steps = [transforms.Resize(SIZE), transforms.CenterCrop(SIZE), transforms.ToTensor()]
    steps.append(transforms.Normalize((0.5,) * 3, (0.5,) * 3))
    folder = ImageFolder(str(files), transforms.Compose(steps))
    for _ in DataLoader(folder, BATCH, shuffle=True, num_workers=os.cpu_count() or 1):
        pass


if __name__ == "__main__":
    main()
