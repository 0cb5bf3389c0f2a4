"""The page in a real browser: it shows, changes and shares what the calls give, and asks nobody."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import Server, serving

from browser import CHROMIUM, Browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")

TOKEN = "open-sesame-1234"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


def visit(browser: Browser, address: str, width: int = 1280, scheme: str = "light") -> None:
    browser.visit(address, width, scheme)


def until(browser: Browser, script: str) -> Any:
    """The value of an expression as soon as it is true."""
    deadline = time.monotonic() + 30
    while not (value := browser.run(script)):
        assert time.monotonic() < deadline, script
        time.sleep(0.05)
    return value


LOADED = """[...document.querySelectorAll('#wall img')].length > 30
    && [...document.querySelectorAll('#wall img')].slice(0, 12).every(i => i.naturalWidth)"""
DRAWN = """document.querySelector('#between canvas').getContext('2d')
    .getImageData(0, 0, 28, 28).data.some(value => value)"""
KEEP = """void fetch(document.querySelector('#large').src).then(answer => answer.arrayBuffer())
    .then(bytes => (window.found = [...new Uint8Array(bytes)].join()))"""
LARGE = "document.querySelector('#large').naturalWidth && document.querySelector('#large').src"


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_asks_nobody(
    browser: Browser, service: Server, width: int, scheme: str
) -> None:
    visit(browser, f"{service.address}/?pick=3&other=5", width, scheme)
    until(browser, LOADED)
    until(browser, DRAWN)
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert browser.complaints == []
    hosts = {url.split("/")[2] for url in browser.requests if url.startswith("http")}
    assert hosts == {f"127.0.0.1:{service.port}"}
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (int(ground[4:-1].split(",")[0]) < 128) == (scheme == "dark")


def test_a_first_visit_shows_a_sample_and_its_ways(browser: Browser, service: Server) -> None:
    visit(browser, service.address, 360)
    assert "/images/0.png" in until(browser, LARGE)
    until(browser, "document.querySelector('#along .strip').naturalWidth == 9 * 28")
    tops = "[...document.querySelectorAll('%s')].map(one => one.offsetTop)"
    for row in ("#directions button", ".group button"):  # none is alone on a line
        assert len(set(browser.run(tops % row))) == 1


def test_keys_walk_and_pick_and_turn(browser: Browser, service: Server) -> None:
    visit(browser, service.address)
    until(browser, LOADED)
    browser.run("document.querySelector('#wall button').focus()")
    browser.press("ArrowRight", 39)
    browser.press("ArrowRight", 39)
    assert browser.run("document.activeElement.dataset.seed") == "2"
    browser.run("document.activeElement.click()")
    assert "/images/2.png" in until(browser, LARGE)
    assert browser.run("document.querySelector('[aria-selected=true]').dataset.seed") == "2"
    until(browser, "document.querySelectorAll('#neighbours img').length == 3")
    browser.press("n", 78)
    assert browser.run("document.querySelector('#wall button').dataset.seed") == "72"
    browser.press("p", 80)
    assert browser.run("document.querySelector('#wall button').dataset.seed") == "0"


def test_a_link_shows_the_same_elsewhere(browser: Browser, service: Server) -> None:
    visit(browser, f"{service.address}/?model=labelled")
    until(browser, LOADED)
    browser.run("document.querySelector('[data-seed=\"4\"]').click()")
    for control, value in (("#label", "7"), ("#truncation", "0.5")):
        chosen = f"document.querySelector('{control}')"
        browser.run(f"{chosen}.value = '{value}'; {chosen}.dispatchEvent(new Event('change'))")
    shown = until(
        browser, LARGE + " && document.querySelector('#large').src.includes('label=7') && " + LARGE
    )
    assert "truncation=0.5" in shown
    link = browser.run("location.href")
    browser.run(KEEP)
    first = until(browser, "window.found")
    visit(browser, "about:blank")
    with Browser() as other:
        visit(other, link, 400)
        until(other, LARGE)
        other.run(KEEP)
        assert until(other, "window.found") == first
        assert other.run("document.querySelector('#label').value") == "7"


def test_a_way_moves(browser: Browser, service: Server) -> None:
    visit(browser, f"{service.address}/?pick=3&other=5")
    until(browser, "document.querySelector('#between .strip').naturalWidth == 9 * 28")
    canvas = "document.querySelector('#between canvas').toDataURL()"
    until(browser, DRAWN)
    still = browser.run(canvas)
    browser.run("document.querySelector('#between .play').click()")
    until(browser, f"{canvas} !== {json.dumps(still)}")
    until(browser, "Number(document.querySelector('#between .place').value) > 0")
    until(browser, "document.querySelectorAll('#directions button').length == 8")
    until(browser, "document.querySelector('#along .strip').naturalWidth == 9 * 28")
    browser.run("document.querySelectorAll('#directions button')[2].click()")
    until(browser, "document.querySelector('#along .strip').src.includes('/directions/2/3.png')")


def test_a_version_that_is_gone_is_told(browser: Browser, service: Server) -> None:
    visit(browser, f"{service.address}/?model=digits@0000000000000000&pick=1")
    assert "not served any more" in until(browser, "document.querySelector('#problem').textContent")
    visit(browser, f"{service.address}/?model=plane")
    assert "vectors" in until(browser, "document.querySelector('#problem').textContent")
    assert browser.complaints == []


def test_it_asks_for_the_token_once(browser: Browser, images: Path, tmp_path: Path) -> None:
    with serving([f"digits={images}"], tmp_path / "errors", token=TOKEN) as server:
        visit(browser, f"{server.address}/?pick=9")
        assert browser.run("getComputedStyle(document.querySelector('form')).display") == "grid"
        browser.run(f"document.querySelector('[name=token]').value = {json.dumps(TOKEN)}")
        browser.run("document.querySelector('form').requestSubmit()")
        until(browser, "location.pathname == '/' && !!document.querySelector('#wall')")
        assert "/images/9.png" in until(browser, LARGE)
        assert "sparring" not in browser.run("document.cookie")
        visit(browser, server.address)
        until(browser, LOADED)
