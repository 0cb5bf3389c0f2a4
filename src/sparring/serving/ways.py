"""The calls for ways through latent space: from seed to seed, and along directions of the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request, Response

from sparring.png import png, strip
from sparring.serving.access import Rates
from sparring.serving.address import Address, cache_headers, is_known
from sparring.serving.known import Knowledge
from sparring.serving.latents import along, between
from sparring.serving.query import (
    Label,
    Reach,
    Steps,
    Truncation,
    address_of,
    label_at,
    of_images,
    response,
)
from sparring.serving.refusal import Answer, not_found
from sparring.serving.schema import FAILURES, PNG, Direction
from sparring.serving.studio import Studio

Array = npt.NDArray[Any]
ANSWERS: Any = {"response_class": Response, "responses": {**FAILURES, **PNG}}


class Strips:
    """Ways as one PNG, images side by side; `private`: no cache between may keep them."""

    def __init__(self, studio: Studio, rates: Rates, private: bool) -> None:
        self.studio, self.rates, self.private = studio, rates, private

    async def answer(
        self, request: Request, pinned: bool, name: str, address: Address, z: Array
    ) -> Response:
        """The samples of latents [N, size] with the label and truncation of an address.

        `name` and these are what the way depends on.
        """
        version, label = address.version, label_at(address)
        self.rates.take(request.scope, request.state.headers, len(z) - 1)  # the gate took one
        etag = f"{version.id}/{name}/{label}/{address.truncation!r}/{version.made_by}"
        head = cache_headers(etag, pinned, self.private)
        if is_known(etag, request.state.headers.get(b"if-none-match", b"")):
            return response(Answer(304, head))
        labels = np.full(len(z), label)
        samples = await self.studio.samples(version, z, labels, address.truncation)
        return response(Answer(200, [(b"content-type", b"image/png"), *head], png(strip(samples))))


def walks(studio: Studio, strips: Strips) -> APIRouter:
    """From seed to seed."""
    router = APIRouter()

    @router.get("/v1/models/{ref}/walks/{start}-{end}.png", **ANSWERS)
    async def walk(
        request: Request,
        ref: str,
        start: int,
        end: int,
        steps: Steps = 16,
        label: Label = None,
        truncation: Truncation = 1.0,
    ) -> Response:
        """From one seed to another along the arc between them: images side by side."""
        version = of_images(studio, ref)
        address = address_of(version, start, label, truncation)
        address_of(version, end, label, truncation)
        z = between(version, start, end, steps)
        name = f"walk/{start}/{end}/{steps}"
        return await strips.answer(request, "@" in ref, name, address, z)

    return router


def along_directions(studio: Studio, strips: Strips, knowledge: Knowledge) -> APIRouter:
    """The directions of a model, and a sample moved along one."""
    router = APIRouter()

    @router.get("/v1/models/{ref}/directions", responses=FAILURES)
    async def list_directions(ref: str) -> list[Direction]:
        """What changes the first layer most, the strongest first; empty where none is found."""
        found = (await knowledge.of(studio.shelf.find(ref))).directions
        shares = found.shares.tolist() if found else []
        return [Direction(number=i, share=share) for i, share in enumerate(shares)]

    @router.get("/v1/models/{ref}/directions/{number}/{seed}.png", **ANSWERS)
    async def direction(
        request: Request,
        ref: str,
        number: int,
        seed: int,
        steps: Steps = 9,
        reach: Reach = 4.0,
        label: Label = None,
        truncation: Truncation = 1.0,
    ) -> Response:
        """A seed from -reach to +reach along a direction: images side by side."""
        version = of_images(studio, ref)
        address = address_of(version, seed, label, truncation)
        found = (await knowledge.of(version)).directions
        if found is None or not 0 <= number < len(found.vectors):
            raise not_found(f"{version.name} has no direction {number}")
        z = version.inputs(range(seed, seed + 1)).z.numpy()[0]
        z = along(z, found.vectors[number], reach, steps)
        name = f"direction/{number}/{seed}/{steps}/{reach!r}"
        return await strips.answer(request, "@" in ref, name, address, z)

    return router
