"""With a token: nothing but health and the login answers without it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from servers import Server, serving

TOKEN = "open-sesame-1234"
CALLS = (
    ("GET", "/"),
    ("GET", "/?model=x"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/assets/page.js"),
    ("GET", "/assets/page.css"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/digits/images/1.png"),
    ("HEAD", "/v1/models/digits/images/1.png"),
    ("GET", "/v1/models/digits/images/x"),
    ("POST", "/v1/models/digits/generate"),
    ("GET", "/v1/models/digits/walks/1-2.png"),
    ("GET", "/v1/models/digits/directions"),
    ("GET", "/v1/models/digits/directions/0/1.png"),
    ("GET", "/v1/models/digits/neighbours/1"),
    ("GET", "/nowhere"),
    ("GET", "/healthz/../v1/models"),
    ("DELETE", "/v1/models"),
)


@pytest.fixture(scope="module")
def closed(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    errors = tmp_path_factory.mktemp("closed") / "errors"
    with serving([f"digits={images}"], errors, token=TOKEN) as server:
        yield server


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": TOKEN},
        {"cookie": f"sparring={TOKEN}"},
        {"cookie": "sparring="},
    ],
    ids=str,
)
def test_nothing_answers_without_it(
    closed: Server, method: str, path: str, headers: dict[str, str]
) -> None:
    # Wrong ones are counted by client.
    client = {"x-forwarded-for": f"192.0.2.{CALLS.index((method, path))}"}
    answer = closed.client.request(method, path, headers=client | headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    if path[:2] not in ("/", "/?"):
        assert method == "HEAD" or answer.json()["error"]["code"] == "unauthorized"


def test_health_does(closed: Server) -> None:
    assert closed.get("/healthz").status_code == closed.get("/readyz").status_code == 200


def test_everything_answers_with_it(closed: Server) -> None:
    for method, path in CALLS[:-6]:
        answer = closed.client.request(method, path, headers={"authorization": f"Bearer {TOKEN}"})
        assert answer.status_code not in (401, 500)
    image = closed.get(
        "/v1/models/digits/images/1.png", headers={"authorization": f"bearer {TOKEN}"}
    )
    assert image.headers["cache-control"].startswith("private")


def test_the_page_asks_once_and_keeps_a_cookie(closed: Server) -> None:
    with httpx.Client(base_url=closed.address) as client:
        form = client.get("/?model=digits&pick=3")
        assert form.status_code == 401
        assert 'name="query" value="model=digits&amp;pick=3"' in form.text
        assert "/assets" not in form.text  # it can load nothing yet
        wrong = client.post("/login", data={"token": "guess", "query": "model=digits&pick=3"})
        assert wrong.status_code == 401
        assert "not the token" in wrong.text
        assert not client.cookies
        right = client.post("/login", data={"token": TOKEN, "query": "model=digits&pick=3"})
        assert right.status_code == 303
        assert right.headers["location"] == "/?model=digits&pick=3"
        cookie = right.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert TOKEN not in cookie
        assert client.get(right.headers["location"]).status_code == 200
        assert client.get("/v1/models/digits/images/1.png").status_code == 200
    behind = httpx.post(
        f"{closed.address}/login", data={"token": TOKEN}, headers={"x-forwarded-proto": "https"}
    )
    assert "; Secure" in behind.headers["set-cookie"]


@pytest.mark.parametrize(
    "query",
    [
        "//evil.example",
        "\r\nset-cookie: a=b",
        "https://evil.example",
        "a=%0d%0aset-cookie:x=y",
        "<script>",
    ],
)
def test_the_way_back_stays_here(closed: Server, query: str) -> None:
    address = {"x-forwarded-for": f"192.0.2.{len(query)}"}  # attempts are counted by client
    answer = httpx.post(
        f"{closed.address}/login", data={"token": TOKEN, "query": query}, headers=address
    )
    assert (
        answer.headers.get_list("location")[0].startswith("/?") or answer.headers["location"] == "/"
    )
    assert len(answer.headers.get_list("set-cookie")) == 1
    form = httpx.get(f"{closed.address}/", params={"x": query})
    assert "<script>" not in form.text


@pytest.mark.parametrize("kind", ["bearer", "cookie"])
def test_guessing_a_bearer_token_or_cookie_is_as_slow(closed: Server, kind: str) -> None:
    client = {"x-forwarded-for": {"bearer": "198.51.100.8", "cookie": "198.51.100.9"}[kind]}

    def ask(word: str) -> httpx.Response:
        given = {"authorization": f"Bearer {word}"}
        if kind == "cookie" and word != TOKEN:
            given = {"cookie": f"sparring={word}"}
        return closed.get("/v1/models", headers=client | given)

    assert ask(TOKEN).status_code == 200
    answers = [ask(f"guess{i}") for i in range(12)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 1
    assert ask(TOKEN).status_code == 429  # else a guess that hits would be found at any speed
    login = httpx.post(f"{closed.address}/login", data={"token": TOKEN}, headers=client)
    assert login.status_code == 429
    other = {"authorization": f"Bearer {TOKEN}"}
    assert closed.get("/v1/models", headers=other).status_code == 200  # other clients are not held


def test_guessing_is_slow(closed: Server) -> None:
    guesser = {"x-forwarded-for": "198.51.100.7"}
    answers = [
        httpx.post(f"{closed.address}/login", data={"token": f"guess {i}"}, headers=guesser)
        for i in range(12)
    ]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 1
    assert TOKEN not in closed.errors.read_text()
