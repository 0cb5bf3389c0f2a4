"""What the service tells of itself: one line of JSON a request, and figures for Prometheus.

With several processes PROMETHEUS_MULTIPROC_DIR has to be set before this module is imported.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess

SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4)
QUEUE = Histogram(
    "sparring_queue_seconds", "Wait of a sample before its batch began", ["model"], buckets=SECONDS
)
COMPUTE = Histogram(
    "sparring_compute_seconds", "Work of the session on a batch", ["model"], buckets=SECONDS
)
TOTAL = Histogram(
    "sparring_request_seconds", "From a request to its answer", ["call"], buckets=SECONDS
)
REQUESTS = Counter("sparring_requests", "Answers by call and status", ["call", "status"])
SAMPLES = Counter("sparring_samples", "Samples made", ["model"])
CACHE = Counter("sparring_cache", "Look-ups in a cache", ["cache", "result"])
REFUSED = Counter("sparring_refused", "Samples that moderation refused", ["model"])
LOW_DIVERSITY = Counter(
    "sparring_low_diversity", "Batches whose samples are too much alike", ["model"]
)

KEPT = 50_000  # lines that wait for a slow reader; what comes then is dropped, and counted
STDERR = 2
PAUSE = 0.1  # seconds between writes


def prometheus_text() -> bytes:
    """The figures of all processes in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry)


class Log:
    """Lines of JSON on stderr, written by a thread: a pipe that nobody reads stops only that."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._ended = threading.Event()
        self._second, self._stamp = -1, ""
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write; after a fork, since threads do not live on in the child."""
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is left, if somebody reads it."""
        self._ended.set()
        if self._thread:
            self._thread.join(timeout=2)

    def event(self, level: str, event: str, **fields: Any) -> None:
        """Something that happened to the service itself."""
        self._put({"time": self._time(), "level": level, "event": event, **fields})

    def request(
        self, request: str, call: str, status: int, seconds: float, size: int, client: str, to: str
    ) -> None:
        """One answered request: its id, the kind of call, method and address."""
        self._put(
            {
                "time": self._time(),
                "level": "info" if status < 500 else "error",
                "event": "request",
                "request": request,
                "call": call,
                "status": status,
                "ms": round(seconds * 1000, 3),
                "bytes": size,
                "client": client,
                "to": to,
            }
        )

    def _put(self, fields: dict[str, Any]) -> None:
        if len(self._lines) < KEPT:
            self._lines.append(json.dumps(fields) + "\n")
        else:
            self._dropped += 1

    def _write(self) -> None:
        ended = False
        while not ended:
            ended = self._ended.wait(PAUSE)
            if self._dropped and len(self._lines) < KEPT:
                dropped, self._dropped = self._dropped, 0
                self.event("warning", "log", message=f"{dropped} lines were dropped")
            lines = "".join(self._lines.popleft() for _ in range(len(self._lines)))
            if lines:
                _say(lines.encode())

    def _time(self) -> str:
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        return f"{self._stamp}.{int(now % 1 * 1000):03d}Z"


def _say(lines: bytes) -> None:
    """Write to stderr itself: a lock of sys.stderr, held by a stuck thread, would stop the end."""
    with suppress(OSError):  # nobody reads it any more
        while lines:
            lines = lines[os.write(STDERR, lines) :]


LOG = Log()
