"""The page, and the calls it needs besides images: ways through latent space, neighbours."""

from __future__ import annotations

import base64
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

import numpy as np
from fastapi import APIRouter, Form, Request, Response
from starlette.responses import HTMLResponse

from sparring.png import png
from sparring.serving.access import Access, Rates
from sparring.serving.known import Knowledge
from sparring.serving.neighbours import Searches
from sparring.serving.page import asset, explorer_page, login_page
from sparring.serving.query import (
    Count,
    Label,
    Truncation,
    address_of,
    label_at,
    of_images,
    response,
)
from sparring.serving.refusal import Answer, Refusal, not_found
from sparring.serving.schema import FAILURES, Near, Nearest
from sparring.serving.studio import Studio
from sparring.serving.ways import Strips, along_directions, walks

REFUSED: dict[int | str, dict[str, Any]] = {status: FAILURES[status] for status in (401, 429)}


def explorer(studio: Studio, access: Access, rates: Rates) -> APIRouter:
    """These calls; `access` logs in, `rates` counts the samples of a way."""
    knowledge, strips = Knowledge(), Strips(studio, rates, access.is_closed)
    router = APIRouter()
    for part in (
        walks(studio, strips),
        along_directions(studio, strips, knowledge),
        near(studio, knowledge),
        page(studio),
        door(access),
    ):
        router.include_router(part)
    return router


def near(studio: Studio, knowledge: Knowledge) -> APIRouter:
    """The training images beside a sample."""
    router, searches = APIRouter(), Searches()

    @router.get("/v1/models/{ref}/neighbours/{seed}", responses=FAILURES)
    async def neighbours(
        ref: str,
        seed: int,
        count: Count = 3,
        label: Label = None,
        truncation: Truncation = 1.0,
    ) -> Nearest:
        """The training images nearest to the image of a seed, in pixels."""
        version = of_images(studio, ref)
        address = address_of(version, seed, label, truncation)
        known = await knowledge.of(version)
        if known.training is None:
            raise not_found(known.why_not)
        searches.check()
        z = version.inputs(range(seed, seed + 1)).z.numpy()
        (image,) = await studio.samples(version, z, np.array([label_at(address)]), truncation)
        found = await searches.nearest(image, known.training, count)
        shown = [
            Near(distance=one.distance, png=base64.b64encode(png(one.image)).decode())
            for one in found
        ]
        return Nearest(compared=len(known.training), neighbours=shown)

    return router


def page(studio: Studio) -> APIRouter:
    """The page and its files."""
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse, responses=REFUSED)
    async def page(request: Request) -> Response:
        """The explorer, or the page that asks for the token."""
        return response(explorer_page(studio.shelf))

    @router.get("/assets/{name}", response_class=Response, include_in_schema=False)
    async def assets(request: Request, name: str) -> Response:
        return response(asset(name, request.state.headers.get(b"if-none-match", b"")))

    return router


def door(access: Access) -> APIRouter:
    """The login."""
    router = APIRouter()

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
