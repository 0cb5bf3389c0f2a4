"""The data that a served generator was trained on, and the images in it nearest to a sample."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy.typing as npt
import torch
from torch import Tensor

from sparring.data import Dataset, open_data
from sparring.errors import InputError, SparringError
from sparring.recipe import Data
from sparring.recipes import load_recipe
from sparring.serving.refusal import busy
from sparring.serving.version import Version

MOST_COMPARED = 100_000  # training images; more of them take too long
ROWS = 4096  # of them at a time
BUNDLED = "mnist5k"
MOST_SEARCHES = 16  # that run or wait


class Neighbour(NamedTuple):
    """A training image uint8 [C, H, W]; `distance` is the root mean square difference of grey
    levels as a share of the full range."""

    image: npt.NDArray[Any]
    distance: float


def training_data(version: Version) -> Dataset | None:
    """The data set of a version, where it is at hand: that of its run, or one that comes along.

    Nothing is downloaded, and what has other contents by now is another data set.
    """
    known = version.file.data
    source = known.get("source") or {}
    try:
        if version.run_folder:
            dataset = open_data(load_recipe(version.run_folder.recipe).data)
        elif source.get("name") == BUNDLED:
            dataset = open_data(Data.model_validate(source))
        else:
            return None
    except (SparringError, OSError, ValueError):
        return None
    return dataset if dataset.fingerprint == known.get("fingerprint") else None


def training_images(version: Version) -> Tensor:
    """Training images uint8 [N, C, H, W], evenly chosen of a large set; InputError without any."""
    dataset = training_data(version)
    if dataset is None or not dataset.is_images or dataset.shape != version.shape:
        raise InputError(
            f"the training images of `{version.name}` are not at hand",
            "serve the run itself, on the machine that has its data",
        )
    places = dataset.splits["train"]
    if len(places) > MOST_COMPARED:
        places = places[torch.linspace(0, len(places) - 1, MOST_COMPARED).long()]
    return dataset.values[places]


class Searches:
    """Searches of a process one after the other: each reads all training images.

    More than MOST_SEARCHES are a Refusal (503); one whose client goes before its turn is let go.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "search")
        self._accepted: set[Future[list[Neighbour]]] = set()

    def check(self) -> None:
        """Raise Refusal where there are too many."""
        if len(self._accepted) >= MOST_SEARCHES:
            raise busy("too many searches for neighbours")

    async def nearest(self, image: npt.NDArray[Any], others: Tensor, count: int) -> list[Neighbour]:
        """As the function `nearest` gives them."""
        self.check()
        search = self._pool.submit(nearest, image, others, count)
        self._accepted.add(search)
        search.add_done_callback(self._accepted.discard)
        return await asyncio.wrap_future(search)


def nearest(image: npt.NDArray[Any], others: Tensor, count: int) -> list[Neighbour]:
    """The `count` of `others` [N, C, H, W] nearest to an image [C, H, W], the nearest first."""
    found, places = distances(torch.from_numpy(image)[None], others, count)
    return [
        Neighbour(others[place].numpy(), distance)
        for distance, place in zip(found[0].tolist(), places[0].tolist(), strict=True)
    ]


def distances(images: Tensor, others: Tensor, count: int = 1) -> tuple[Tensor, Tensor]:
    """How far the `count` nearest of `others` are from images, and their places: [N, count]."""
    flat = images.flatten(1).float() / 255
    parts, firsts = others.split(ROWS), range(0, len(others), ROWS)
    best, places = [], []
    for first, part in zip(firsts, parts, strict=True):
        apart = torch.cdist(flat, part.flatten(1).float() / 255)
        least = apart.topk(min(count, len(part)), largest=False)
        best.append(least.values)
        places.append(least.indices + first)
    chosen = torch.cat(best, 1).topk(min(count, len(others)), largest=False)
    return (
        chosen.values / flat.shape[1] ** 0.5,
        torch.cat(places, 1).gather(1, chosen.indices),
    )
