"""Real servers on loopback, as forks of the test process: they have everything imported."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx

from sparring.serving.process import serve
from sparring.serving.settings import Settings

FORKS = multiprocessing.get_context("fork")
SECONDS = 30.0  # that anything may take on a busy machine


class Server:
    """One that runs; `get` and `post` ask it, `log` is what it said so far."""

    def __init__(self, process: Any, address: str, errors: Path) -> None:
        self.process, self.address, self.errors = process, address, errors
        self.client = httpx.Client(base_url=address, timeout=SECONDS)
        self.port = int(address.rpartition(":")[2])

    def get(self, path: str, **how: Any) -> httpx.Response:
        return self.client.get(path, **how)

    def post(self, path: str, **how: Any) -> httpx.Response:
        return self.client.post(path, **how)

    def models(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/v1/models").json()
        return found

    def ref(self, name: str) -> str:
        """NAME@VERSION of the current version."""
        current = next(one for one in self.models() if one["name"] == name and one["current"])
        return f"{name}@{current['version']}"

    def log(self) -> list[dict[str, Any]]:
        """All lines but those of a library."""
        lines = self.errors.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def socket(self) -> socket.socket:
        found = socket.create_connection(("127.0.0.1", self.port))
        found.settimeout(SECONDS)
        return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code after a signal."""
        os.kill(self.process.pid, number)
        self.process.join(SECONDS)
        assert self.process.exitcode is not None, "it does not end"
        return int(self.process.exitcode)


@contextlib.contextmanager
def serving(
    whats: list[str], errors: Path, files: int | None = None, **limits: Any
) -> Iterator[Server]:
    """A server of these, at a port of its own; `files` is how many it may open."""
    settings = replace(Settings(port=0), **limits)
    ours, theirs = FORKS.Pipe()
    process = FORKS.Process(
        target=_run, args=(whats, settings, theirs, errors, files), daemon=False
    )
    process.start()
    theirs.close()
    try:
        assert ours.poll(SECONDS), errors.read_text()
        server = Server(process, ours.recv(), errors)
        wait_until(lambda: server.get("/readyz").status_code == 200)
        yield server
        server.client.close()
    finally:
        if process.is_alive():
            process.terminate()
        process.join(SECONDS)
        if process.is_alive():
            process.kill()


def wait_until(happens: Any) -> None:
    """Return as soon as it is true; AssertionError if it never is."""
    deadline = time.monotonic() + SECONDS
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side closes or breaks the connection off."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def read_one(connection: socket.socket) -> bytes:
    """One whole answer."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def _run(
    whats: list[str], settings: Settings, pipe: Connection, errors: Path, files: int | None
) -> None:
    if files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, 64), files))
    stream = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(stream, 2)
    import sys

    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - pytest's own is replaced
    serve(whats, settings, lambda address, models: pipe.send(address))
