"""What the service answers instead of samples: a status, a code and a message, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

Headers = list[tuple[bytes, bytes]]


class Answer(NamedTuple):
    """A whole HTTP response; its length is added when it is sent."""

    status: int
    headers: Headers
    body: bytes = b""


class Refusal(Exception):
    """A request that gets no samples, and why; `headers` go beside the message."""

    def __init__(
        self, status: int, code: str, message: str, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = list(headers)

    def answer(self) -> Answer:
        error = {"error": {"code": self.code, "message": self.message}}
        head = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        return Answer(self.status, head + self.headers, json.dumps(error).encode())


def not_found(message: str) -> Refusal:
    return Refusal(404, "not_found", message)


def out_of_range(message: str) -> Refusal:
    """For a seed, label, truncation or count that is out of range or not a number."""
    return Refusal(422, "out_of_range", message)


def busy(message: str, seconds: float = 1.0) -> Refusal:
    """What is accepted is finished first; the client may come back after `seconds`."""
    wait = b"%d" % max(1, round(seconds + 0.5))
    return Refusal(503, "busy", message, [(b"retry-after", wait)])


def too_large(most: int) -> Refusal:
    return Refusal(413, "too_large", f"a request holds at most {most} bytes")
