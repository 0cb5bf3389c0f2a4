"""Whether what comes over HTTP is what the run makes and scored; and how soon it is there."""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
from PIL import Image

import sparring
from benchmarks import common
from benchmarks.serving.servers import SECONDS, answers, digits, free_port, service, stop
from sparring.api import sample
from sparring.data import open_data
from sparring.metrics import Scorer
from sparring.recipe import Data

Result = dict[str, Any]
METRICS = ["fid", "kid", "precision", "recall"]
FIRST = 5 * 10**6  # a seed that the run was not scored with
SAME = 1000  # seeds whose bytes are compared


def truth(quick: bool) -> Result:
    """Pixels beside `sparring sample`, bytes beside each other, scores beside the run's."""
    run, count = digits(quick), 200 if quick else 2000
    path = "/v1/models/digits/images/{}.png"
    with service(f"digits={run}", "--memory-cache", "0") as server:
        first = fetched(server.address, path, range(FIRST, FIRST + count), clients=1)
        again = fetched(server.address, path, range(FIRST, FIRST + min(count, SAME)), clients=50)
    with service(f"digits={run}", workers=1) as server:  # another process, with a cache
        other = fetched(server.address, path, range(FIRST, FIRST + min(count, SAME)), clients=8)
    differ = sum(a != b or a != c for a, b, c in zip(first, again, other, strict=False))
    samples = torch.from_numpy(np.stack([np.asarray(Image.open(io.BytesIO(b))) for b in first]))
    expected = sample(run, count, seed=FIRST)[:, 0]
    apart = (samples.int() - expected.int()).abs()
    rows = scores(run, samples[:, None])
    outside = sum(not row["within"] for row in rows)
    return {
        "goals": [
            common.goal("grey levels apart at most", int(apart.max()), 1, at_least=False),
            common.goal("share of pixels apart", (apart > 0).float().mean().item(), 1e-3, False),
            common.goal("images whose bytes differ between requests", differ, 0, at_least=False),
            common.goal("scores outside the interval", outside, 0, at_least=False),
        ],
        "scores": rows,
    }


def fetched(address: str, path: str, seeds: range, clients: int) -> list[bytes]:
    with httpx.Client(base_url=address, timeout=30) as client, ThreadPoolExecutor(clients) as pool:
        return list(pool.map(lambda seed: client.get(path.format(seed)).content, seeds))


def scores(run: Path, samples: torch.Tensor) -> list[Result]:
    """The scores of fetched samples beside those the run has, which are of other seeds."""
    known = sparring.evaluate(run, metrics=METRICS, samples=len(samples))
    records = Scorer(open_data(Data(name="mnist5k")), "test").score(samples, METRICS)
    rows = []
    for name in METRICS:
        a, b = known[name], records[name].json()
        half = 1.96 * math.hypot(a["error"] or 0, b["error"] or 0)
        rows.append(
            {
                "metric": name,
                "run": a["value"],
                "over_http": b["value"],
                "interval": half,
                "within": abs(a["value"] - b["value"]) <= half,
            }
        )
    return rows


def start(quick: bool) -> Result:
    """Seconds from everything imported to ready, the first time and later; memory at rest."""
    run = digits(quick)
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        for when in ("first: exports the model", "later", "later, 2 processes"):
            workers = 2 if "2" in when else 1
            times = [started(run, workers, cache) for _ in range(1 if quick else 5)]
            if when.startswith("first"):
                times = times[:1]
            rows.append({"start": when, "seconds": round(float(np.median(times)), 2)})
    with service(f"digits={run}", workers=1) as server:
        memory = server.memory()
    longest = max(row["seconds"] for row in rows[1:])
    return {
        "goals": [common.goal("seconds to ready", longest, 3, at_least=False)],
        "starts": rows,
        "figures": {
            "memory_at_rest_mb": round(memory, 1),
            "with_imports_seconds": round(server.seconds, 2),
        },
    }


def started(run: Path, workers: int, cache: str) -> float:
    """Seconds of one start in a process that has everything imported (starting.py)."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.starting", f"digits={run}", str(port), str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"SPARRING_CACHE": cache},
        start_new_session=True,
    )
    try:
        assert process.stdout
        began = float(process.stdout.readline())
        while not answers(f"http://127.0.0.1:{port}/readyz"):
            if process.poll() is not None or time.perf_counter() - began > SECONDS:
                raise RuntimeError("the service does not start")
            time.sleep(0.005)
        return time.perf_counter() - began
    finally:
        stop(process)
