"""The door of the service, as bare ASGI: who may come in, how often, and what is told of it.

Images are answered right here, since a framework would take as long as making them; everything else
goes on to the calls (calls.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from sparring.serving.access import HEALTH, Access, Rates, client_of
from sparring.serving.address import cache_headers, is_known, parse
from sparring.serving.refusal import Answer, Headers, Refusal, not_found, too_large
from sparring.serving.studio import Studio
from sparring.serving.telemetry import LOG, REQUESTS, TOTAL

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MODELS = "/v1/models/"
REQUEST_ID = re.compile(rb"[A-Za-z0-9_.-]{1,64}")
PNG = (b"content-type", b"image/png")
SAFE = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
PLAIN = "/@:%+,;=~!$&'()*"  # what an address in the log keeps as it is


class Gate:
    """An ASGI application around `calls`."""

    def __init__(self, studio: Studio, calls: App, access: Access, rates: Rates) -> None:
        self.studio, self.calls, self.access, self.rates = studio, calls, access, rates
        self.most_bytes = studio.settings.most_bytes
        self._number = 0
        self._run = f"{time.time_ns() & 0xFFFFFFFFFF:010x}"
        self._total = {call: TOTAL.labels(call).observe for call in ("image", "other")}
        self._ok = REQUESTS.labels("image", 200).inc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request, path = self._id(headers), scope["path"]
        scope["state"] = {"headers": headers}
        ref, is_image, file = path.removeprefix(MODELS).partition("/images/")
        call = "image" if is_image and path.startswith(MODELS) else "other"
        status, size = 0, 0

        async def told(message: Message) -> None:
            """What the calls answer, with the headers that every answer has."""
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._headers(request)]
            else:
                size += len(message.get("body", b""))
            await send(message)

        found: Answer | None = None
        try:
            self.access.check(scope, headers)
            if path not in HEALTH:
                self.rates.take(scope, headers)
            if path.endswith("\n"):  # which the calls would take for the same path without it
                raise not_found("there is no such call")
            if call == "image":
                found = await self._image(scope, headers, ref, file)
            else:
                body = await self._body(scope, receive, headers)
                await self._while_there(self.calls(_as_get(scope), _read(body), told), receive)
        except Refusal as refusal:
            found = self.access.answer(refusal, scope)
        except Exception:
            trace = traceback.format_exc()
            LOG.event("error", "failure", request=request.decode(), message=trace)
            found = Refusal(500, "failed", "this is a mistake of the service").answer()
        if found and not status:
            status, size = found.status, len(found.body)
            await self._send(send, found, request, scope["method"])
        seconds = time.perf_counter() - started
        self._total[call](seconds)
        if status == 200 and call == "image":
            self._ok()
        else:
            REQUESTS.labels(call, status).inc()
        client = client_of(scope, headers)
        LOG.request(request.decode(), call, status, seconds, size, client, _told(scope))

    async def _image(
        self, scope: Scope, headers: dict[bytes, bytes], ref: str, file: str
    ) -> Answer:
        """`/v1/models/REF/images/SEED.png`."""
        if scope["method"] not in ("GET", "HEAD"):
            allowed = [(b"allow", b"GET, HEAD")]
            raise Refusal(405, "method", f"{scope['method']} is not for images", allowed)
        address = parse(self.studio.shelf, ref, file, scope["query_string"])
        etag = address.key
        head = cache_headers(etag, "@" in ref, self.access.is_closed)
        if (known := headers.get(b"if-none-match")) and is_known(etag, known):
            return Answer(304, head)
        return Answer(200, [PNG, *head], await self.studio.image(address))

    async def _send(self, send: Send, found: Answer, request: bytes, method: str) -> None:
        head = [*found.headers, *self._headers(request)]
        if found.status != 304:
            head.append((b"content-length", b"%d" % len(found.body)))
        await send({"type": "http.response.start", "status": found.status, "headers": head})
        body = b"" if method == "HEAD" else found.body
        await send({"type": "http.response.body", "body": body})

    def _headers(self, request: bytes) -> Headers:
        head = [(b"x-request-id", request), *SAFE]
        return [*head, (b"connection", b"close")] if self.studio.leaving else head

    def _id(self, headers: dict[bytes, bytes]) -> bytes:
        """The client's own id of a request, or the next of ours."""
        given = headers.get(b"x-request-id")
        if given and REQUEST_ID.fullmatch(given):
            return given
        self._number += 1
        return f"{self._run}-{self._number}".encode()

    async def _body(self, scope: Scope, receive: Receive, headers: dict[bytes, bytes]) -> bytes:
        """The body of a request, as far as it may go."""
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self.most_bytes:
            raise too_large(self.most_bytes)
        body, more = b"", scope["method"] not in ("GET", "HEAD")
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _vanished()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self.most_bytes:
                raise too_large(self.most_bytes)
        return body

    async def _while_there(self, call: Awaitable[None], receive: Receive) -> None:
        """Answer a call; once the client has gone, what it asked for is not made to the end."""

        async def leaves() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass  # a body that nobody asked for

        answered, gone = asyncio.ensure_future(call), asyncio.ensure_future(leaves())
        try:
            await asyncio.wait((answered, gone), return_when=asyncio.FIRST_COMPLETED)
            if not answered.done():
                answered.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await answered
                raise _vanished()
            answered.result()
        finally:
            gone.cancel()
            answered.cancel()


def _vanished() -> Refusal:
    return Refusal(400, "vanished", "the client has gone")


def _as_get(scope: Scope) -> Scope:
    """HEAD is GET whose body is not sent."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def _read(body: bytes) -> Receive:
    """What gives the body of a request, and then nothing more."""
    left: list[Message] = [{"type": "http.request", "body": body}]

    async def read() -> Message:
        return left.pop() if left else await asyncio.Future()

    return read


def _told(scope: Scope) -> str:
    """Method and address as they are logged."""
    query = scope["query_string"]
    path = quote(scope["path"], safe=PLAIN)
    return f"{scope['method']} {path}{'?' if query else ''}{query.decode('latin-1')}"[:500]
