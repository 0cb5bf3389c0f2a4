"""The page: two templates, a style sheet and scripts, and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from sparring.serving.refusal import Answer, Headers, not_found
from sparring.serving.shelf import Shelf

SCRIPTS = ("base.js", "wall.js", "ways.js", "page.js")  # each uses those before it
ASSETS = {"page.css": "text/css; charset=utf-8"}
ASSETS |= dict.fromkeys(SCRIPTS, "text/javascript; charset=utf-8")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{style}; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def explorer_page(shelf: Shelf) -> Answer:
    """The page that explores what is served."""
    names = sorted({version.name for version in shelf.versions})
    stamps = {name: _digest(_read(name))[:8] for name in ASSETS}
    return _page("explorer.html.j2", {"names": names, "stamps": stamps, "scripts": SCRIPTS})


def login_page(query: str, problem: str = "") -> Answer:
    """The form that asks for the token, and goes on to the page with this query.

    It may load nothing without the token, so its style is in it, allowed by its hash.
    """
    style = _read("login.css").decode()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    values = {"style": style, "query": query[:1000], "problem": problem}
    return _page("login.html.j2", values, f" 'sha256-{digest}'")


def asset(name: str, if_none_match: bytes) -> Answer:
    """A file of the page."""
    if name not in ASSETS:
        raise not_found("the page has no such file")
    content = _read(name)
    etag = f'"{_digest(content)}"'.encode()
    head: Headers = [(b"etag", etag), (b"cache-control", b"private, max-age=3600")]
    if if_none_match == etag:
        return Answer(304, head)
    return Answer(200, [(b"content-type", ASSETS[name].encode()), *head], content)


def _page(template: str, values: Mapping[str, object], style: str = "") -> Answer:
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _read(name).decode()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["verbatim"] = Markup  # our own style, whose quotes are meant
    body = environment.get_template(template).render(values)
    head = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", POLICY.format(style=style).encode()),
        (b"cache-control", b"no-store"),
    ]
    return Answer(200, head, body.encode())


@cache
def _read(name: str) -> bytes:
    return (resources.files("sparring.serving.page") / name).read_bytes()


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()
