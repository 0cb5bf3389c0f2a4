"""Rows of a memory-mapped data set, read from the disk while the step before still computes."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from sparring.data.dataset import Dataset
from sparring.data.sampler import Sampler

Key = tuple[int, int, int]  # the position of a batch, the first and last row of it


class Ahead:
    """Gathers the batch after the one that is asked for in a thread of its own.

    What is gathered is a function of the sampler's position alone; a batch that was not foreseen
    (a move that was left out, a run that was resumed) is gathered when it is asked for.
    """

    def __init__(self, dataset: Dataset, sampler: Sampler) -> None:
        self._dataset = dataset
        # NumPy's take is one thread's work: the others are busy.
        self._values = dataset.values.numpy()
        self._sampler = sampler
        self._coming: dict[Key, Future[np.ndarray]] = {}
        self._thread = ThreadPoolExecutor(1, "reads ahead")

    def rows(self, position: int, batch_size: int, part: slice) -> Tensor:
        """A part of the batch at a position of the sampler's sequence."""
        key = (position, part.start, part.stop)
        coming = self._coming.pop(key, None)
        found = self._gather(self._indices(key, batch_size)) if coming is None else coming.result()
        for old in [one for one in self._coming if one[0] < position]:
            del self._coming[old]
        following = (position + batch_size, part.start, part.stop)
        if following not in self._coming:
            indices = self._indices(following, batch_size)
            self._coming[following] = self._thread.submit(self._gather, indices)
        return torch.from_numpy(found)

    def _indices(self, key: Key, batch_size: int) -> np.ndarray:
        position, start, stop = key
        return self._sampler.at(position, batch_size)[start:stop].numpy()

    def _gather(self, indices: np.ndarray) -> np.ndarray:
        self._dataset.check()
        return self._values.take(indices, axis=0)
