"""Who may use the service, and how much of it."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from typing import Any

from sparring.serving.refusal import Answer, Refusal

HEALTH = frozenset({"/healthz", "/readyz"})
OPEN = HEALTH | {"/login"}
COOKIE = b"sparring"
MOST_CLIENTS = 10_000  # that are remembered
LOCAL = ("127.0.0.1", "::1")
SECONDS = 2.0  # of its rate that a client may use at once
ATTEMPTS, WINDOW = 10, 60.0  # of a client to guess the token, in so many seconds


class Access:
    """The token, where one is set: as a bearer token, or as a cookie after the page's login.

    `login` makes the page that asks for it, of the query that the page was asked with.
    """

    def __init__(self, token: str, login: Callable[[str], Answer]) -> None:
        self._token, self._login = token.encode(), login
        # Not the token itself: a cookie lies around for longer.
        self._cookie = hmac.new(self._token, b"sparring cookie", hashlib.sha256).hexdigest()
        self._attempts = Rates(ATTEMPTS / WINDOW, ATTEMPTS, "attempts")

    @property
    def is_closed(self) -> bool:
        return bool(self._token)

    def check(self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes]) -> None:
        """Raise Refusal (401) for a request that needs the token and has it not.

        A wrong one is a guess, as at the login. After too many guesses of a client the right one
        is refused too (429), or guessing would cost nothing.
        """
        if not self._token or scope["path"] in OPEN:
            return
        known = self._is_right(headers)
        if known:
            self._attempts.check(scope, headers)
            return
        if known is False:
            self._attempts.take(scope, headers)
        challenge = [(b"www-authenticate", b"Bearer")]
        raise Refusal(401, "unauthorized", "this needs the token of the service", challenge)

    def _is_right(self, headers: dict[bytes, bytes]) -> bool | None:
        """Whether a bearer token or cookie is the right one; None where neither is given."""
        found = None
        kind, _, given = headers.get(b"authorization", b"").partition(b" ")
        if kind.lower() == b"bearer":
            found = hmac.compare_digest(given.strip(), self._token)
        for part in headers.get(b"cookie", b"").split(b";"):
            name, _, value = part.strip().partition(b"=")
            if name == COOKIE:
                found = bool(found) or hmac.compare_digest(value, self._cookie.encode())
        return found

    def answer(self, refusal: Refusal, scope: MutableMapping[str, Any]) -> Answer:
        """A refusal as JSON; to a browser that wants the page, the form that asks for the token."""
        if refusal.status == 401 and scope["path"] == "/" and scope["method"] in ("GET", "HEAD"):
            form = self._login(scope["query_string"].decode("latin-1"))
            return Answer(401, [*form.headers, *refusal.headers], form.body)
        return refusal.answer()

    def log_in(
        self, given: str, scope: MutableMapping[str, Any], headers: dict[bytes, bytes]
    ) -> str:
        """The cookie of a right token; Refusal (401) of a wrong one, 429 after too many."""
        self._attempts.take(scope, headers)
        if not self._token or not hmac.compare_digest(given.encode(), self._token):
            raise Refusal(401, "unauthorized", "that is not the token")
        secure = b"https" in (scope["scheme"].encode(), headers.get(b"x-forwarded-proto"))
        flags = "; Secure" if secure else ""
        name = COOKIE.decode()
        return f"{name}={self._cookie}; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000{flags}"


class Rates:
    """How much a second each client may ask for: a bucket that fills at `rate`, 0 = any.

    It holds at least `burst` of `what`.
    """

    def __init__(self, rate: float, burst: int, what: str = "samples") -> None:
        self.rate, self.what = rate, what
        self.most = max(float(burst), self.rate * SECONDS)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(
        self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes], count: int = 1
    ) -> None:
        """Raise Refusal (429) where the client has to wait for so many."""
        if not self.rate:
            return
        client, now = client_of(scope, headers), time.monotonic()
        left = self._left_of(client, now)
        self._left.pop(client, None)
        self._left[client] = (left - count if left >= count else left, now)
        if len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        self._refuse_without(left, count)

    def check(self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes]) -> None:
        """Raise Refusal (429) where the client has nothing left, and take nothing."""
        if self._left:
            self._refuse_without(self._left_of(client_of(scope, headers), time.monotonic()), 1)

    def _left_of(self, client: str, now: float) -> float:
        left, before = self._left.get(client, (self.most, now))
        return min(self.most, left + (now - before) * self.rate)

    def _refuse_without(self, left: float, count: int) -> None:
        if left < count:
            wait = int((count - left) / self.rate) + 1
            message = f"too many {self.what}; wait {wait} s"
            raise Refusal(429, "too_many", message, [(b"retry-after", b"%d" % wait)])


def client_of(scope: MutableMapping[str, Any], headers: dict[bytes, bytes]) -> str:
    """The address of a client; a proxy on this machine is believed when it names another."""
    client = str(scope["client"][0]) if scope["client"] else ""
    if client in (*LOCAL, "") and (forwarded := headers.get(b"x-forwarded-for")):
        return forwarded.rpartition(b",")[2].strip().decode("latin-1")[:64]
    return client
