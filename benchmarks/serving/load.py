"""Speed: the service and others around the same file, in turns; and many minutes at full load."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from benchmarks import common
from benchmarks.serving.servers import WORKERS, Running, dcgan, digits, exported, opponent, service
from benchmarks.serving.wrk import GET, LITSERVE, SAME, Load

Result = dict[str, Any]
NO_CACHE = ("--memory-cache", "0")
OURS = "/v1/models/digits/images/"
ROUNDS, SECONDS = 5, 8.0
MINUTES = float(os.environ.get("SPARRING_BENCHMARK_MINUTES", "10"))


def load(quick: bool) -> Result:
    """8 and 50 clients, every request a new seed; each server is up alone, in turns."""
    run, seconds = digits(quick), 1.0 if quick else SECONDS
    file, ask = exported(run), Load()
    servers: dict[str, tuple[Callable[[], Any], str]] = {
        "sparring": (lambda: service(f"digits={run}", *NO_CACHE), GET.format(OURS)),
        "naive": (lambda: opponent("naive", file), GET.format("/images/")),
        "naive, 2 processes": (lambda: opponent("naive", file, "2"), GET.format("/images/")),
        "bare ASGI, 2 processes": (lambda: opponent("bare", file, "2"), GET.format("/images/")),
        "litserve": (lambda: opponent("litserve", file), LITSERVE),
    }
    rounds: dict[str, list[Result]] = {name: [] for name in servers}
    absent: dict[str, str] = {}
    for _ in range(1 if quick else ROUNDS):
        for name, (start, request) in servers.items():
            if name in absent:
                continue
            try:
                with start() as server:
                    ask(server.address, request, 8, 0.5)  # the first requests are slow everywhere
                    rounds[name] += [ask(server.address, request, n, seconds) for n in (8, 50)]
            except RuntimeError as error:
                absent[name] = str(error)
    rows = [_middle(name, n, rounds[name]) for name in servers if rounds[name] for n in (8, 50)]
    of = {(row["server"], row["clients"]): row for row in rows}
    few, many = of["sparring", 8], of["sparring", 50]
    return {
        "settings": {"workers": WORKERS, "rounds": ROUNDS, "seconds": seconds, "cache": "off"},
        "goals": [
            common.goal("8 clients, p50 in ms", few["p50_ms"], 5, at_least=False),
            common.goal("8 clients, p99 in ms", few["p99_ms"], 10, at_least=False),
            common.goal("50 clients, images/s", many["images_per_second"], 2800, at_least=True),
            common.goal("50 clients, p50 in ms", many["p50_ms"], 20, at_least=False),
            common.goal("50 clients, p99 in ms", many["p99_ms"], 50, at_least=False),
        ],
        "servers": rows,
        "absent": [{"server": name, "why": why} for name, why in absent.items()],
        "bare": bare(file, quick),
    }


def _middle(name: str, clients: int, rounds: list[Result]) -> Result:
    """The medians over rounds, with the worst p99."""
    rows = [row for row in rounds if row["clients"] == clients]
    return {
        "server": name,
        "clients": clients,
        "images_per_second": float(np.median([row["images_per_second"] for row in rows])),
        "p50_ms": float(np.median([row["p50_ms"] for row in rows])),
        "p99_ms": float(np.median([row["p99_ms"] for row in rows])),
        "worst_p99_ms": max(row["p99_ms"] for row in rows),
        "broken": sum(row["broken"] for row in rows),
    }


def bare(file: Path, quick: bool) -> list[Result]:
    """The session alone in a loop on one thread: what no server can beat on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options)
    size = session.get_inputs()[0].shape[1]
    rows = []
    for batch in (1, 4, 16):
        z = np.random.default_rng(0).standard_normal((batch, size), dtype=np.float32)
        times, ends = [], time.perf_counter() + (0.2 if quick else 3)
        while time.perf_counter() < ends:
            times.append(common.timed(lambda z=z: session.run(None, {"z": z})))
        rows.append({"batch": batch, "images_per_second": round(batch / float(np.median(times)))})
    return rows


def hits(quick: bool) -> Result:
    """The same image again and again, from memory; and a client that has it already."""
    run, seconds, ask = digits(quick), 1.0 if quick else SECONDS, Load()
    rows = []
    with service(f"digits={run}") as server:
        for _ in range(1 if quick else ROUNDS):
            rows.append(ask(server.address, SAME.format(OURS), 50, seconds))
    row = _middle("sparring", 50, rows)
    hit = common.goal("cache hits/s", row["images_per_second"], 6000, at_least=True)
    return {"goals": [hit], "hits": [row]}


def larger(quick: bool) -> Result:
    """A 64x64 DCGAN with the widths of the paper: here the generator is what takes the time."""
    file, ask = dcgan(), Load()
    seconds = 1.0 if quick else SECONDS
    rows = []
    for name, start, request in (
        ("sparring", lambda: service(f"dcgan={file}", *NO_CACHE), "/v1/models/dcgan/images/"),
        ("naive", lambda: opponent("naive", file), "/images/"),
    ):
        with start() as server:
            ask(server.address, GET.format(request), 8, 0.5)
            for clients in (8, 50):
                found = ask(server.address, GET.format(request), clients, seconds)
                rows.append({"server": name, **found})
    return {"servers": rows, "bare": bare(file, quick)}


def endurance(quick: bool) -> Result:
    """Minutes at full load: what memory does."""
    run, ask = digits(quick), Load()
    seconds = 10.0 if quick else 60 * MINUTES
    with service(f"digits={run}") as server:
        at_rest = server.memory()
        ask(server.address, GET.format(OURS), 50, min(10.0, seconds / 2))
        with _watched(server) as memory:
            found = ask(server.address, GET.format(OURS), 50, seconds)
    part = max(1, len(memory) // 10)
    begins, ends = float(np.median(memory[:part])), float(np.median(memory[-part:]))
    growth = ends / begins
    return {
        "settings": {"minutes": seconds / 60, "cache": "as it is: 64 MB a process"},
        "goals": [
            common.goal("memory at the end over the beginning", growth, 1.05, at_least=False),
            common.goal("broken answers", found["broken"], 0, at_least=False),
        ],
        "figures": {
            "images": round(found["images_per_second"] * seconds),
            "images_per_second": found["images_per_second"],
            "p99_ms": found["p99_ms"],
            "memory_at_rest_mb": round(at_rest, 1),
            "memory_begins_mb": round(begins, 1),
            "memory_ends_mb": round(ends, 1),
            "memory_most_mb": round(max(memory), 1),
        },
    }


@contextlib.contextmanager
def _watched(server: Running) -> Iterator[list[float]]:
    """Megabytes every two seconds."""
    found: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5 if not found else 2):
            found.append(server.memory())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()
