"""Where samples come from: a cache, or the queue of their version."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import numpy.typing as npt

from sparring.data.known import cache_home
from sparring.png import Pixels, png
from sparring.serving.address import Address
from sparring.serving.batcher import Batcher
from sparring.serving.cache import DiskCache, MemoryCache
from sparring.serving.moderation import make_check
from sparring.serving.refusal import busy
from sparring.serving.settings import Settings, cores
from sparring.serving.shelf import Shelf
from sparring.serving.telemetry import CACHE, LOG
from sparring.serving.version import Version

PART = 16  # samples of one request in a queue at a time: those of others come in between


class Studio:
    """Images of addresses, and samples of any latents; `warm_up` comes first, in a thread.

    `leaving`: the process is about to end, and answers what comes until then.
    """

    def __init__(self, shelf: Shelf, settings: Settings) -> None:
        self.shelf, self.settings = shelf, settings
        self.ready = self.leaving = False
        self._batchers: dict[str, Batcher] = {}
        self._memory = MemoryCache(settings.memory_cache)
        self._disk: DiskCache | None = None
        self._hit, self._miss = (CACHE.labels("memory", how).inc for how in ("hit", "miss"))

    async def warm_up(self) -> None:
        """Make every version ready; InputError where a moderator cannot be."""
        loop = asyncio.get_running_loop()
        settings = self.settings
        threads = max(1, cores() // settings.workers)
        for version in self.shelf.versions:
            check = None
            await loop.run_in_executor(None, version.warm_up)
            if settings.moderation:
                check = await loop.run_in_executor(None, make_check, settings.moderation, version)
            self._batchers[version.ref] = Batcher(version, settings, check, threads)
            for warning in version.warnings:
                LOG.event("warning", "version", message=warning)
        if settings.disk_cache:
            # What one moderator let through is not what another would.
            folder = cache_home() / "images" / (settings.moderation.replace(":", ".") or "all")
            cache = (folder, settings.disk_cache, settings.workers)
            self._disk = await loop.run_in_executor(None, DiskCache, *cache)
        self.ready = True

    async def image(self, address: Address) -> bytes:
        """The PNG of an address."""
        key = address.key
        if content := self._memory.get(key):
            self._hit()
            return content
        self._miss()
        if self._disk and (content := await asyncio.to_thread(self._disk.get, key)):
            CACHE.labels("disk", "hit").inc()
        else:
            content = png(await self._sample(address))
            if self._disk:
                await asyncio.to_thread(self._disk.put, key, content)
        self._memory.put(key, content)
        return content

    async def samples(
        self, version: Version, z: npt.NDArray[Any], labels: npt.NDArray[Any], truncation: float
    ) -> npt.NDArray[Any]:
        """Samples [N, ...] of latents [N, size] and labels [N]; Refusal if one is refused."""
        batcher = self._batcher(version)
        parts: list[npt.NDArray[Any]] = []
        # Of a slow generator even an empty queue would not take as many.
        fitting = int(self.settings.most_seconds * batcher.threads / version.seconds / 2)
        size = max(1, min(PART, fitting))
        for start in range(0, len(z), size):
            waiting: list[asyncio.Future[npt.NDArray[Any]]] = []
            try:
                for i in range(start, min(start + size, len(z))):
                    waiting.append(batcher.submit(z[i], int(labels[i]), truncation))
                parts += await asyncio.gather(*waiting)
            finally:
                for one in waiting:
                    one.cancel()  # of a batch that is refused nothing more is made
        return np.stack(parts)

    def close(self) -> None:
        for batcher in self._batchers.values():
            batcher.close()

    async def _sample(self, address: Address) -> Pixels:
        version = address.version
        batcher = self._batcher(version)
        seeds = range(address.seed, address.seed + 1)
        z, labels = version.as_fed(version.inputs(seeds, address.label))
        return await batcher.submit(z[0], int(labels[0]), address.truncation)

    def _batcher(self, version: Version) -> Batcher:
        if not self.ready:
            raise busy("the models are being made ready")
        return self._batchers[version.ref]
