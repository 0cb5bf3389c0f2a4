"""The explorer page in docs/images, as a browser shows it.

    python scripts/draw_explorer.py RUN

Needs chromium and the extra serve. Two pictures: a desk in the light, a phone in the dark.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from browser import Browser  # noqa: E402 - it belongs to the tests

IMAGES = ROOT / "docs" / "images"
PICTURES = (("explorer-wide", 1280, "light"), ("explorer-phone", 400, "dark"))
PAGE = "/?first=0&other=3&pick=17&direction=1"
COLORS = 128  # of a palette: a fifth of the bytes
SHOWN = """[...document.querySelectorAll('#wall img')].slice(0, 12).every(i => i.naturalWidth)
    && document.querySelector('#large').naturalWidth
    && document.querySelectorAll('#neighbours img').length
    && document.querySelectorAll('#directions button').length
    && document.querySelector('#between canvas').getContext('2d').getImageData(14, 14, 1, 1).data[3]
    && document.querySelector('#along canvas').getContext('2d').getImageData(14, 14, 1, 1).data[3]
"""


def main() -> None:
    with serving(sys.argv[1]) as address, Browser() as browser:
        for name, width, scheme in PICTURES:
            browser.visit(address + PAGE, width, scheme)
            wait_for(lambda: browser.run(SHOWN))
            picture = Image.open(io.BytesIO(browser.picture())).convert("RGB")
            path = IMAGES / f"{name}.png"
            picture.quantize(COLORS).save(path, optimize=True)
            print(path, picture.size, path.stat().st_size)


@contextlib.contextmanager
def serving(run: str) -> Iterator[str]:
    """The address of a service that is ready."""
    words = ["serve", f"digits={run}", "--port", "0", "--workers", "1", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "sparring", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout
        yield json.loads(process.stdout.readline())["address"]
    finally:
        process.terminate()
        process.wait()


def wait_for(happens: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.1)


if __name__ == "__main__":
    main()
