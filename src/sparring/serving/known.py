"""What is worked out of a version when it is first asked for: takes seconds, and is kept."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from torch import Tensor

from sparring.errors import InputError
from sparring.serving.latents import Directions, directions
from sparring.serving.neighbours import training_images
from sparring.serving.version import Version


class Known(NamedTuple):
    """`why_not`: what is said where there are no training images."""

    directions: Directions | None
    training: Tensor | None
    why_not: str


class Knowledge:
    """Known of each version: worked out once, in a thread, whoever waits for it or goes."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Known]] = {}

    async def of(self, version: Version) -> Known:
        task = self._tasks.get(version.ref)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.create_task(asyncio.to_thread(_look, version))
            self._tasks[version.ref] = task
        return await asyncio.shield(task)


def _look(version: Version) -> Known:
    found = directions(version)
    try:
        return Known(found, training_images(version), "")
    except InputError as error:
        return Known(found, None, error.message)
