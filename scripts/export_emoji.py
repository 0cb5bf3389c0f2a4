"""Write the colour glyphs of an emoji font as PNG files: a folder of real pictures to train on.

    apt-get install fonts-noto-color-emoji
    python scripts/export_emoji.py emoji

The font stores each glyph as a PNG of 136x128 pixels with transparency; they are copied as they
are. Two emoji of one picture give one file.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from fontTools.ttLib import TTFont

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")


def export(folder: Path, font: Path = FONT) -> int:
    """Write one file for each different picture of the font; returns their number."""
    folder.mkdir(parents=True, exist_ok=True)
    seen = set()
    strike = TTFont(font)["CBDT"].strikeData[0]
    for name, glyph in sorted(strike.items()):
        digest = hashlib.blake2b(glyph.imageData).digest()
        if digest not in seen:
            seen.add(digest)
            (folder / f"{name}.png").write_bytes(glyph.imageData)
    return len(seen)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Colour glyphs of a font as PNG files.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--font", type=Path, default=FONT)
    chosen = parser.parse_args()
    print(f"{export(chosen.folder, chosen.font)} pictures in {chosen.folder}")
