"""What waits to be made goes through the session in batches, without waiting for them to fill."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sparring.serving.moderation import Check
from sparring.serving.refusal import Refusal, busy
from sparring.serving.settings import Settings
from sparring.serving.telemetry import COMPUTE, LOG, QUEUE, SAMPLES
from sparring.serving.version import Version

Array = npt.NDArray[Any]

Verdicts = list[Refusal | None]
Made = tuple[Array | None, Verdicts]  # samples, and what is wrong with each

BRIEF = 0.005  # seconds for which the event loop may stand still: changing threads costs too


class Job(NamedTuple):
    """One sample to make."""

    z: Array
    label: int
    truncation: float
    arrived: float
    done: asyncio.Future[Array]


class Batcher:
    """The queue of one version, which has been warmed up.

    All that arrives in one turn of the event loop is a batch. A small generator is run right
    there, one that takes longer in one of `threads` threads. `check` sees every sample; one that
    it refuses is a Refusal (403). A full queue, or one so long that a sample would wait longer
    than is allowed, is a Refusal (503).
    """

    def __init__(
        self, version: Version, settings: Settings, check: Check | None = None, threads: int = 1
    ) -> None:
        self.version, self.settings, self.check = version, settings, check
        self.waiting: deque[Job] = deque()
        self.threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._running = 0
        self._scheduled = False
        self._loop = asyncio.get_running_loop()
        self._observe_queue = QUEUE.labels(version.name).observe
        self._observe_compute = COMPUTE.labels(version.name).observe
        self._count = SAMPLES.labels(version.name).inc
        self.largest = version.buckets[-1]
        if check is None and version.seconds < BRIEF / 2:
            self.largest = max(1, min(self.largest, int(BRIEF / version.seconds)))
        else:
            self._pool = ThreadPoolExecutor(threads, "compute")

    def submit(self, z: Array, label: int, truncation: float) -> asyncio.Future[Array]:
        """The sample of one latent [size], in time."""
        settings, wait = self.settings, len(self.waiting) * self.version.seconds / self.threads
        if len(self.waiting) >= settings.most_waiting or wait > settings.most_seconds:
            raise busy(f"{self.version.name} has too much to do", wait)
        done: asyncio.Future[Array] = self._loop.create_future()
        self.waiting.append(Job(z, label, truncation, time.perf_counter(), done))
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)
        return done

    def close(self) -> None:
        if self._pool:
            self._pool.shutdown()

    def _flush(self) -> None:
        self._scheduled = False
        if self._pool is None:
            if batch := self._next():
                self._finish(batch, *self._attempt(batch))
            if self.waiting:  # what is read from sockets meanwhile joins the next batch
                self._scheduled = True
                self._loop.call_soon(self._flush)
            return
        while self._running < self.threads and (batch := self._next()):
            self._running += 1
            running = self._loop.run_in_executor(self._pool, self._attempt, batch)
            running.add_done_callback(partial(self._after, batch))

    def _after(self, batch: list[Job], found: asyncio.Future[Made]) -> None:
        self._running -= 1
        self._finish(batch, *found.result())
        self._flush()

    def _next(self) -> list[Job]:
        """The longest waiting jobs; those that nobody waits for, or that are late, are let go."""
        batch: list[Job] = []
        now = time.perf_counter()
        while self.waiting and len(batch) < self.largest:
            job = self.waiting.popleft()
            self._observe_queue(now - job.arrived)
            if job.done.cancelled():
                continue
            if now - job.arrived > self.settings.most_seconds:
                job.done.set_exception(busy(f"{self.version.name} was too slow"))
                continue
            batch.append(job)
        return batch

    def _attempt(self, batch: list[Job]) -> Made:
        """Samples [N, ...] and what the check says of each; never an exception."""
        started = time.perf_counter()
        try:
            samples = self.version.run(
                np.stack([job.z for job in batch]),
                np.array([job.label for job in batch]),
                np.array([job.truncation for job in batch], np.float32),
            )
        except Exception as error:  # the session's own, such as memory that it cannot have
            LOG.event("error", "compute", message=f"{self.version.ref}: {error}")
            return None, [busy(f"{self.version.name} cannot compute") for _ in batch]
        verdicts: Verdicts = [None] * len(batch)
        if self.check:
            verdicts = self.check(samples, np.array([job.label for job in batch]))
        self._observe_compute(time.perf_counter() - started)
        self._count(len(batch))
        return samples, verdicts

    def _finish(self, batch: list[Job], samples: Array | None, verdicts: Verdicts) -> None:
        for place, (job, verdict) in enumerate(zip(batch, verdicts, strict=True)):
            if job.done.cancelled():
                continue
            if isinstance(verdict, Refusal):
                job.done.set_exception(verdict)
            else:
                assert samples is not None
                job.done.set_result(samples[place])
