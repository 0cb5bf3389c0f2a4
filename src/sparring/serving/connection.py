"""A connection that nobody can hold open for ever, nor fill memory through."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sparring.serving.refusal import Answer, Refusal, busy
from sparring.serving.settings import Settings

PATIENCE = 1.0  # seconds for a first request on a connection, when the process is about to end
MOST_AHEAD = 100  # requests that a client sends before the answer to an earlier one
MOST_HEADERS = 100  # of a request, with those that follow its body


class Joined:
    """A transport that sends the head of an answer together with what follows it.

    uvloop would send each at once, and wake the client twice. What is written after the client has
    gone is dropped, where uvloop would raise: a client that leaves is no failure.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._transport.is_closing():
            self._head = b""
        elif self._head:
            head, self._head = self._head, b""
            self._transport.writelines([head, data])
        elif data.startswith(b"HTTP/"):
            self._head = data
            self._loop.call_soon(self._flush)  # in case that nothing follows
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            self.write(b"")


class Connection(HttpToolsProtocol):
    """uvicorn's protocol with limits: on connections, on the head of a request, on time.

    `since` is when the request that is being read or answered began.
    """

    def __init__(self, *args: Any, settings: Settings, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.settings = settings
        self.since = self.loop.time()
        self._head: int | None = None  # bytes of a head that is not complete

    def connection_made(self, transport: Any) -> None:
        super().connection_made(Joined(transport, self.loop))  # type: ignore[arg-type]
        count, most = len(self.connections), self.settings.most_connections
        if count > 2 * most:  # not even a word for these: each costs a file descriptor
            transport.abort()
        elif count > most:
            self.app = _full

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is not None and self.parser is not None:
            self._head += len(data)
            if self._head > self.settings.most_bytes and not self.transport.is_closing():
                message = f"a head holds at most {self.settings.most_bytes} bytes"
                self._refuse(Refusal(431, "too_large", message).answer())

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MOST_AHEAD:  # uvicorn would keep any number of them
            raise ValueError("too many requests at once")  # for the parser, which gives up
        self.since, self._head = self.loop.time(), 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= MOST_HEADERS:
            message = f"a request holds at most {MOST_HEADERS} headers"
            self._refuse(Refusal(431, "too_large", message).answer())
            raise ValueError(message)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head = None
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        self.since = self.loop.time()
        super().on_response_complete()

    def shutdown(self) -> None:
        """Close where nothing is going on; a request that is here but was not read is answered."""
        if self.cycle is None:  # who has just come is about to ask
            self.loop.call_later(PATIENCE, self._close_unused)
        elif not self.cycle.response_complete or not self._is_waiting():
            super().shutdown()

    def _close_unused(self) -> None:
        if self.cycle is None and not self._is_waiting():
            self.transport.close()

    def _is_waiting(self) -> bool:
        """Whether there is something to read, or a head that is not complete."""
        if self._head is not None:
            return True
        waiting = select.poll()
        waiting.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(waiting.poll(0))

    def send_400_response(self, msg: str) -> None:
        if self.pipeline:  # it would be taken for the answer to an earlier request
            self.transport.abort()
        elif not self.transport.is_closing():
            self._refuse(Refusal(400, "malformed", msg).answer())

    def _refuse(self, answer: Answer) -> None:
        head = [b"HTTP/1.1 %d Refused" % answer.status]
        head += [name + b": " + value for name, value in answer.headers]
        head += [b"content-length: %d" % len(answer.body), b"connection: close", b"", answer.body]
        self.transport.write(b"\r\n".join(head))
        self.transport.close()


def abort_slow(connections: Iterable[Connection], before: float) -> None:
    """End those whose request began before that time: slow to send, or slow to read."""
    for connection in connections:
        idle = connection.timeout_keep_alive_task is not None  # uvicorn ends it in time
        if connection.since < before and (not idle or connection.transport.get_write_buffer_size()):
            connection.transport.abort()


async def _full(scope: Any, receive: Any, send: Any) -> None:
    """The answer to connections beyond the limit."""
    answer = busy("too many connections").answer()
    length = (b"content-length", b"%d" % len(answer.body))
    head = [*answer.headers, length, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": answer.status, "headers": head})
    await send({"type": "http.response.body", "body": answer.body})
