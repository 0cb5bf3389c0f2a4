"""The report in a real browser: narrow and wide, light and dark, on paper and without scripts."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sparring
from browser import CHROMIUM, Browser
from helpers import QUICK

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")

RIGHT_ARROW, LEFT_ARROW, HOME = ("ArrowRight", 39), ("ArrowLeft", 37), ("Home", 36)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run in the plane."""
    folder = tmp_path_factory.mktemp("ring") / "run"
    return sparring.train("ring", out=folder, overrides=QUICK).path


@pytest.fixture(params=["digits", "ring"])
def report(request: pytest.FixtureRequest, images: Path, ring: Path) -> Path:
    return (images if request.param == "digits" else ring) / "report.html"


def colors(browser: Browser) -> list[float]:
    """The mean brightness of the page's ground and of its words, 0 to 255."""
    found = browser.run(
        "['backgroundColor', 'color'].map(name => getComputedStyle(document.body)[name])"
    )
    return [float(np.mean([int(v) for v in c[4:-1].split(",")])) for c in found]


def overflow(browser: Browser) -> list[str]:
    """What sticks out of the page at its right."""
    return browser.run(  # type: ignore[no-any-return]
        """[...document.querySelectorAll('body *')].filter(e =>
             e.getBoundingClientRect().right > innerWidth + 0.5
             && !e.closest('pre') && !e.closest('svg')).map(e => e.outerHTML.slice(0, 90))"""
    )


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_asks_nobody(
    browser: Browser, report: Path, width: int, scheme: str
) -> None:
    browser.open(report, width, scheme)
    assert browser.complaints == []
    outside = [url for url in browser.requests if not url.startswith("data:")]
    assert outside == [report.resolve().as_uri()]
    assert browser.run("innerWidth") == width
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert overflow(browser) == []
    assert browser.run("[...document.images].every(image => image.complete && image.naturalWidth)")
    ground, ink = colors(browser)
    assert (ground > 200 and ink < 80) if scheme == "light" else (ground < 60 and ink > 180)


def shown_picture(browser: Browser) -> bytes:
    """The pixels of the slider's picture as the browser draws them."""
    clip = browser.run(
        """(() => { const box = document.querySelector('.frames').getBoundingClientRect();
             return {x: box.x + scrollX, y: box.y + scrollY,
                     width: box.width, height: box.height}; })()"""
    )
    with Image.open(io.BytesIO(browser.picture(clip))) as image:
        return image.convert("RGB").tobytes()


def test_the_slider_moves_by_keyboard(browser: Browser, report: Path) -> None:
    browser.open(report, 1280)
    steps = browser.run("[...document.querySelectorAll('.frames img')].map(i => i.dataset.step)")
    assert steps == ["4", "8", "12"]
    last = shown_picture(browser)
    browser.run("document.querySelector('input[type=range]').focus()")
    browser.press(*LEFT_ARROW)
    assert browser.run("document.querySelector('output').textContent") == "step 8"
    assert shown_picture(browser) != last
    browser.press(*HOME)
    assert browser.run("document.querySelector('output').textContent") == "step 4"
    first = shown_picture(browser)
    browser.press(*RIGHT_ARROW)
    browser.press(*RIGHT_ARROW)
    assert shown_picture(browser) == last != first
    shown = "[...document.querySelectorAll('.frames img')].filter(i => i.offsetParent).length"
    assert browser.run(shown) == 1


def test_play_runs_to_the_last_picture(browser: Browser, report: Path) -> None:
    browser.open(report, 400)
    browser.run("document.querySelector('.controls button').click()")
    assert browser.run("document.querySelector('output').textContent") == "step 4"
    assert browser.run("document.querySelector('.controls button').textContent") == "Pause"
    browser.call(
        "Runtime.evaluate",
        expression="new Promise(done => setTimeout(done, 160 * 5))",
        awaitPromise=True,
    )
    assert browser.run("document.querySelector('output').textContent") == "step 12"
    assert browser.run("document.querySelector('.controls button').textContent") == "Play"


def test_without_javascript_the_last_picture_shows(browser: Browser, report: Path) -> None:
    browser.open(report, 1280)
    with_script = shown_picture(browser)
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(report, 1280)
        assert shown_picture(browser) == with_script
        assert browser.run("document.querySelector('.controls').offsetParent === null")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_paper_is_white_even_in_the_dark(browser: Browser, report: Path) -> None:
    browser.open(report, 1000, "dark", media="print")
    ground, ink = colors(browser)
    assert ground == 255
    assert ink < 80
    assert browser.run("document.querySelector('.controls').offsetParent === null")
    visible = "[...document.querySelectorAll('.frames img')].filter(i => i.offsetParent).length"
    assert browser.run(visible) == 3  # paper has no slider: frames side by side
