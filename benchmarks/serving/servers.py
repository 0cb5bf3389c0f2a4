"""Servers that are measured: the service, and what else one might put around the same ONNX file."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import sparring
from benchmarks import common
from sparring.data import Dataset
from sparring.model import read_model

SECONDS = 120.0  # until a server has to answer
WORKERS = 2


class Running(NamedTuple):
    """A server: its address, its first process, and the seconds until it answered."""

    address: str
    process: subprocess.Popen[bytes]
    seconds: float

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def processes(self) -> list[int]:
        """The first process and its children."""
        found = [self.process.pid]
        tasks = Path(f"/proc/{self.process.pid}/task")
        for task in tasks.iterdir() if tasks.exists() else ():
            with contextlib.suppress(OSError):
                found += map(int, (task / "children").read_text().split())
        return found

    def memory(self) -> float:
        """Megabytes that all of them hold, shared pages divided among those that share them."""
        kilobytes = 0
        for process in self.processes():
            with contextlib.suppress(OSError, StopIteration):
                lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
                kilobytes += int(next(line for line in lines if line[:4] == "Pss:").split()[1])
        return kilobytes / 1000

    def files(self) -> int:
        """Open files of all of them."""
        counts = (len(list(Path(f"/proc/{one}/fd").iterdir())) for one in self.processes())
        return sum(counts)


@contextlib.contextmanager
def service(*words: str, workers: int = WORKERS, **environment: str) -> Iterator[Running]:
    """`sparring serve` with its log going nowhere, but written."""
    port = str(free_port())
    options = ["--port", port, "--workers", str(workers)]
    with running(["-m", "sparring", "serve", *words, *options], port, "/readyz", environment) as r:
        yield r


@contextlib.contextmanager
def opponent(name: str, file: Path, *words: str) -> Iterator[Running]:
    """A program of opponents.py on an ONNX file."""
    port = str(free_port())
    command = ["-m", "benchmarks.serving.opponents", name, str(file), port, *words]
    with running(command, port, "/health", {}) as found:
        yield found


@contextlib.contextmanager
def running(
    words: Sequence[str], port: str, ready: str, environment: dict[str, str]
) -> Iterator[Running]:
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | environment,
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        while not answers(address + ready):
            if process.poll() is not None or time.perf_counter() - started > SECONDS:
                raise RuntimeError(f"{' '.join(words[:3])} does not answer")
            time.sleep(0.02)
        yield Running(address, process, time.perf_counter() - started)
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], patience: float = 20.0) -> None:
    """End a server that leads a process group, and all of that group: none is left to compute.

    Those that SIGTERM has not ended after `patience` seconds are killed. A server may be gone
    while what it has started goes on.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        ends = time.perf_counter() + patience
        while process.poll() is None or alive(process.pid):
            if time.perf_counter() > ends:
                break
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"the processes {alive(process.pid)} cannot be ended")


def alive(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has gone meanwhile
            state, _, its_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                found.append(int(entry.name))
    return found


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def digits(quick: bool) -> Path:
    """A run of the default recipe, trained once and kept."""
    steps = 200 if quick else 3400
    return trained(f"serving-digits-{sparring.__version__}-{steps}", "digits", {"steps": steps})


def dcgan() -> Path:
    """A 64x64 colour DCGAN with the widths of the paper; how well it draws does not matter here."""
    path = common.cache() / f"serving-dcgan-{sparring.__version__}.onnx"
    if not path.exists():
        import torch

        from sparring.model import Model
        from sparring.networks.dcgan import DCGANGenerator
        from sparring.networks.layers import seeded
        from sparring.onnx_export import export_onnx

        with seeded(0):
            generator = DCGANGenerator(100, (3, 64, 64), init="he").eval().requires_grad_(False)
        config = {
            "recipe": "dcgan",
            "latent": {"size": 100, "prior": "normal"},
            "shape": [3, 64, 64],
            "images": True,
        }
        model = Model(generator.to(memory_format=torch.channels_last), config)
        export_onnx(model, path)
    return path


def trained(
    name: str, recipe: str, overrides: dict[str, object], data: Dataset | None = None
) -> Path:
    folder = common.cache() / name
    if not (folder / "model" / "model.safetensors").exists():
        sparring.train(recipe, data=data, out=folder, overrides=overrides)
    return folder


def exported(run: Path) -> Path:
    """The ONNX file of a run, for the others."""
    path = run / "benchmark.onnx"
    if not path.exists():
        sparring.export(run, path)
    assert read_model(run / "model").is_images
    return path
