"""The page, and the calls it needs besides images: ways through latent space, neighbours."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Form, Query, Request, Response
from starlette.responses import HTMLResponse
from torch import Tensor

from sparring.errors import InputError
from sparring.png import FORMAT, png, strip
from sparring.serving.access import Access, Rates
from sparring.serving.address import (
    MOST_SEED,
    Address,
    cache_headers,
    check_truncation,
    is_known,
)
from sparring.serving.latents import Directions, along, between, directions
from sparring.serving.neighbours import nearest, training_images
from sparring.serving.page import asset, explorer_page, login_page
from sparring.serving.refusal import Answer, Refusal, not_found, out_of_range
from sparring.serving.schema import FAILURES, PNG, Direction, Near, Nearest
from sparring.serving.studio import Studio
from sparring.serving.version import Version

Array = npt.NDArray[Any]
Truncation = Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)]
Label = Annotated[str | None, Query(max_length=200)]
Steps = Annotated[int, Query(ge=2, le=64)]
Reach = Annotated[float, Query(gt=0, le=10, allow_inf_nan=False)]
Count = Annotated[int, Query(ge=1, le=12)]


class Known(NamedTuple):
    """What is worked out of a version once, when it is first asked for."""

    directions: Directions | None
    training: Tensor | None
    why_not: str  # there are no training images


def explorer(studio: Studio, access: Access, rates: Rates) -> APIRouter:
    """These calls; `access` logs in, `rates` counts the samples of a way."""
    router = APIRouter()
    memory: dict[str, Known] = {}
    lock = asyncio.Lock()

    async def known(version: Version) -> Known:
        async with lock:
            if version.ref not in memory:
                memory[version.ref] = await asyncio.to_thread(_look, version)
        return memory[version.ref]

    async def way(
        request: Request, ref: str, etag: str, version: Version, z: Array, label: int, t: float
    ) -> Response:
        """The samples of latents [N, size] side by side as one PNG."""
        rates.take(request.scope, request.state.headers, len(z) - 1)
        head = cache_headers(f"{version.id}/{etag}/{label}/{t!r}/{FORMAT}", "@" in ref, closed)
        if is_known(head[0][1].decode()[1:-1], request.state.headers.get(b"if-none-match", b"")):
            return response(Answer(304, head))
        samples = await studio.samples(version, z, np.full(len(z), label), t)
        return response(Answer(200, [(b"content-type", b"image/png"), *head], png(strip(samples))))

    closed = access.is_closed
    way_answers: Any = {"response_class": Response, "responses": {**FAILURES, **PNG}}

    @router.get("/v1/models/{ref}/walks/{start}-{end}.png", **way_answers)
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
        version = _of_images(studio, ref)
        of_start = _address(version, start, label, truncation)
        _address(version, end, label, truncation)
        z = between(version, start, end, steps)
        etag = f"walk/{start}/{end}/{steps}"
        return await way(request, ref, etag, version, z, _label(of_start), truncation)

    @router.get("/v1/models/{ref}/directions", responses=FAILURES)
    async def list_directions(ref: str) -> list[Direction]:
        """What changes the first layer most, the strongest first; empty where none is found."""
        found = (await known(studio.shelf.find(ref))).directions
        shares = found.shares.tolist() if found else []
        return [Direction(number=i, share=share) for i, share in enumerate(shares)]

    @router.get("/v1/models/{ref}/directions/{number}/{seed}.png", **way_answers)
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
        version = _of_images(studio, ref)
        address = _address(version, seed, label, truncation)
        found = (await known(version)).directions
        if found is None or not 0 <= number < len(found.vectors):
            raise not_found(f"{version.name} has no direction {number}")
        z = version.inputs(range(seed, seed + 1)).z.numpy()[0]
        z = along(z, found.vectors[number], reach, steps)
        etag = f"direction/{number}/{seed}/{steps}/{reach!r}"
        return await way(request, ref, etag, version, z, _label(address), truncation)

    @router.get("/v1/models/{ref}/neighbours/{seed}", responses=FAILURES)
    async def neighbours(
        ref: str,
        seed: int,
        count: Count = 3,
        label: Label = None,
        truncation: Truncation = 1.0,
    ) -> Nearest:
        """The training images nearest to the image of a seed, in pixels."""
        version = _of_images(studio, ref)
        address = _address(version, seed, label, truncation)
        training = (await known(version)).training
        if training is None:
            raise not_found((await known(version)).why_not)
        z = version.inputs(range(seed, seed + 1)).z.numpy()
        (image,) = await studio.samples(version, z, np.array([_label(address)]), truncation)
        found = await asyncio.to_thread(nearest, image, training, count)
        near = [
            Near(distance=one.distance, png=base64.b64encode(png(one.image)).decode())
            for one in found
        ]
        return Nearest(compared=len(training), neighbours=near)

    @router.get("/", response_class=HTMLResponse, responses={401: FAILURES[401]})
    async def page(request: Request) -> Response:
        """The explorer, or the page that asks for the token."""
        return response(explorer_page(studio.shelf))

    @router.get("/assets/{name}", response_class=Response, include_in_schema=False)
    async def assets(request: Request, name: str) -> Response:
        return response(asset(name, request.state.headers.get(b"if-none-match", b"")))

    @router.post("/login", response_class=Response, include_in_schema=False)
    async def login(
        request: Request,
        token: Annotated[str, Form(max_length=1000)] = "",
        query: Annotated[str, Form(max_length=1000)] = "",
    ) -> Response:
        """Right: the cookie, and back to the page that was asked for; wrong: the form again."""
        try:
            cookie = access.log_in(token, request.scope, request.state.headers)
        except Refusal as refusal:
            form = login_page(query, refusal.message)
            return response(Answer(refusal.status, [*form.headers, *refusal.headers], form.body))
        back = "/?" + urlencode(parse_qsl(query)) if query else "/"
        head = [(b"location", back.encode()), (b"set-cookie", cookie.encode())]
        return response(Answer(303, [*head, (b"cache-control", b"no-store")]))

    return router


def _look(version: Version) -> Known:
    found = directions(version)
    try:
        return Known(found, training_images(version), "")
    except InputError as error:
        return Known(found, None, error.message)


def _of_images(studio: Studio, ref: str) -> Version:
    version = studio.shelf.find(ref)
    if not version.is_images:
        raise out_of_range(f"{version.name} makes vectors, not images")
    return version


def _address(version: Version, seed: int, label: str | None, truncation: float) -> Address:
    if not 0 <= seed <= MOST_SEED:
        raise out_of_range(f"seed: {seed} is not from 0 to {MOST_SEED}")
    number = None if label is None else version.label(label)
    return Address(version, seed, number, check_truncation(version, truncation))


def _label(address: Address) -> int:
    """The label that is given, or the one that the seed draws."""
    seeds = range(address.seed, address.seed + 1)
    _, labels = address.version.as_fed(address.version.inputs(seeds, address.label))
    return int(labels[0])


def response(answer: Answer) -> Response:
    found = Response(answer.body, answer.status)
    found.raw_headers += answer.headers
    return found
