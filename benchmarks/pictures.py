"""Real colour pictures that Debian packages hold, for the benchmarks."""

from __future__ import annotations

from pathlib import Path

from scripts.export_emoji import FONT, export
from torch import Tensor

from benchmarks import common
from sparring.data import open_data
from sparring.recipe import Data

ICONS = Path("/usr/share/icons/oxygen/base/48x48")


def emoji_folder() -> Path:
    """The pictures of the emoji font as PNG files, 136x128 with transparency."""
    if not FONT.is_file():
        raise SystemExit("the emoji font is not here: apt-get install fonts-noto-color-emoji")
    folder = common.cache() / "emoji"
    if not folder.is_dir():
        export(folder)
    return folder


def icon_folder() -> Path:
    """The icons of a desktop, 48x48 with transparency, in a subfolder for each kind."""
    if not ICONS.is_dir():
        raise SystemExit("the icons are not here: apt-get install oxygen-icon-theme")
    return ICONS


def emoji(size: int) -> Tensor:
    """The pictures of the emoji font, uint8 [N, 3, size, size]."""
    return open_data(Data(name=str(emoji_folder()), size=size)).values
