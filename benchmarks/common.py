"""What the benchmarks share: arguments, results, the machine, a check that it was quiet."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import sparring
from sparring.metrics.classifier import Classifier, train_classifier
from sparring.report import image_grid, rows_picture, save_png
from sparring.run import write_json
from sparring.training.precision import has_native_bf16

ROOT = Path(__file__).parent
RESULTS = ROOT / "results"
QUICK = RESULTS / "quick"  # trial figures and pictures; never committed
IMAGES = ROOT.parent / "docs" / "images"
CPU = torch.device("cpu")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def arguments(about: str | None) -> argparse.ArgumentParser:
    """The parser every benchmark starts from."""
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short trial, figures mean nothing")
    return parser


def run_parts(
    about: str | None,
    name: str,
    parts: Mapping[str, Callable[[bool], dict[str, Any]]],
    show: Callable[[str, dict[str, Any]], None],
) -> argparse.Namespace:
    """Measure all parts of a benchmark, or those after --only; each replaces its own figures.

    Returns the options it was called with.
    """
    parser = arguments(about)
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    options = parser.parse_args()
    for part in options.only:
        watch = Watch()
        result = parts[part](options.quick) | {"machine": watch.record()}
        path = save_result(name, result, options.quick, part)
        show(part, result)
        print(path, flush=True)
    return options


def cache() -> Path:
    """A folder for what is slow to make again, outside the repository."""
    folder = Path(tempfile.gettempdir()) / "sparring-benchmarks"
    folder.mkdir(exist_ok=True)
    return folder


def cached_classifier(
    name: str, images: Tensor, labels: Tensor, epochs: int, width: int, augment: bool
) -> Classifier:
    """A classifier trained on these images, kept under a name that says on which and how."""
    key = f"{name}-{len(images)}-width{width}-epochs{epochs}-torch{torch.__version__}"
    path = cache() / f"{key}.safetensors"
    if path.exists():
        classifier = Classifier(int(labels.max()) + 1, images.shape[1], width)
        classifier.load_state_dict(load_file(path))
        return classifier.eval().to(memory_format=torch.channels_last)
    print(f"training {name}: {epochs} epochs of {len(images)} images", flush=True)
    classifier = train_classifier(images, labels, epochs, width=width, augment=augment)
    save_file({name: t.contiguous() for name, t in classifier.state_dict().items()}, path)
    return classifier


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for runs that are only measured."""
    with tempfile.TemporaryDirectory(prefix="sparring-") as folder:
        yield Path(folder)


def save_grid(samples: Tensor, name: str, quick: bool, columns: int = 10) -> str:
    """Save samples [N, C, H, W] as one picture; returns its path within the repository."""
    path = (QUICK if quick else IMAGES) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(image_grid(samples, columns=columns), path)
    return path.relative_to(ROOT.parent).as_posix()


def save_rows(columns: Sequence[Tensor], name: str, quick: bool) -> str:
    """Save images that belong to each other side by side; returns the path as `save_grid` does."""
    path = (QUICK if quick else IMAGES) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(rows_picture(columns), path)
    return path.relative_to(ROOT.parent).as_posix()


def save_result(name: str, result: dict[str, Any], quick: bool, part: str | None = None) -> Path:
    """Write a benchmark's figures, atomically; a `part` leaves the others of the file alone."""
    path = (QUICK if quick else RESULTS) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    if part is None:
        whole = {"benchmark": name, **result}
    else:
        whole = json.loads(path.read_text()) if path.exists() else {"benchmark": name, "parts": {}}
        whole["parts"][part] = result
    write_json(path, whole)
    return path


def saved_part(name: str, part: str, quick: bool) -> dict[str, Any] | None:
    """The figures of a part that was measured before."""
    path = (QUICK if quick else RESULTS) / f"{name}.json"
    found = json.loads(path.read_text())["parts"].get(part) if path.exists() else None
    return dict(found) if found else None


class Watch:
    """The machine while something is measured: how fast at both ends, and who else used it."""

    def __init__(self) -> None:
        self.before = matmul_rates(torch.float32)
        self.started, self.others = time.perf_counter(), _others()

    def record(self) -> dict[str, Any]:
        """What to store with the figures.

        `quiet` wants the matmul rate at both ends within 10%, and other processes to have used
        less than a tenth of one core in between.
        """
        wall = time.perf_counter() - self.started
        others = None
        if self.others is not None and (now := _others()) is not None:
            others = round(max(now - self.others, 0.0) / wall, 3)
        after = matmul_rates(torch.float32)
        change = float(np.median(after) / np.median(self.before) - 1)
        return machine() | {
            "seconds": round(wall, 1),
            "matmul_gflops_before": spread(self.before),
            "matmul_gflops_after": spread(after),
            "cores_used_by_others": others,
            "quiet": abs(change) < 0.1 and (others is None or others < 0.1),
        }


def machine() -> dict[str, Any]:
    """Versions and what the processor can do; nothing that names the machine."""
    return {
        "date": date.today().isoformat(),
        "sparring": sparring.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "cpu_flags": _cpu_flags(),
        "native_bf16": has_native_bf16(CPU),
    }


def matmul_rates(dtype: torch.dtype, size: int = 1024, times: int = 15) -> list[float]:
    """GFLOP/s of one fixed matrix product, each of `times`."""
    a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
    for _ in range(3):
        a @ b
    return [2 * size**3 / timed(lambda: a @ b) / 1e9 for _ in range(times)]


def timed(work: Callable[[], Any]) -> float:
    """Seconds that `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def spread(values: Sequence[float], digits: int = 1) -> dict[str, float]:
    """Median with the 10% and 90% quantiles."""
    low, middle, high = (round(float(q), digits) for q in np.quantile(values, [0.1, 0.5, 0.9]))
    return {"median": middle, "p10": low, "p90": high}


def bootstrap_median(values: Sequence[float], draws: int = 5000) -> dict[str, float]:
    """The median with its 95% bootstrap bounds."""
    array = np.asarray(values)
    picks = np.random.default_rng(0).integers(0, len(array), (draws, len(array)))
    low, high = np.quantile(np.median(array[picks], axis=1), [0.025, 0.975])
    return {"median": float(np.median(array)), "low": float(low), "high": float(high)}


def goal(what: str, measured: float, bound: float, at_least: bool) -> dict[str, Any]:
    """One figure against the bound it has to meet."""
    met = measured >= bound if at_least else measured <= bound
    sign = "at least" if at_least else "at most"
    return {"what": what, "measured": measured, "bound": f"{sign} {bound:g}", "met": bool(met)}


def table(rows: Sequence[dict[str, Any]], title: str = "") -> str:
    """Rows with the same keys as aligned columns."""
    heads = list(rows[0])
    cells = [heads, *([_cell(row[head]) for head in heads] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(heads))]
    lines = [f"\n{title}"] if title else []
    for line in cells:
        padded = [text.ljust(width) for text, width in zip(line, widths, strict=True)]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cpu_flags() -> list[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    known = next((line.split() for line in lines if line.startswith("flags")), [])
    return [flag for flag in FLAGS if flag in known]


def _others() -> float | None:
    """Core-seconds since boot that neither this process nor its finished children used."""
    try:
        ticks = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _wait, irq, soft, steal = (int(tick) for tick in ticks)
    busy = (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")
    return busy - sum(os.times()[:4])
