"""Train the runs whose pictures the guide shows, and copy them to docs/images.

    python scripts/draw_guide.py [--only ring ...]

Some minutes on two cores. The pictures are those that any user's run has; nothing is picked.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import sparring

IMAGES = Path(__file__).parent.parent / "docs" / "images"

# A name: the recipe, its overrides, and which picture becomes which of the guide's.
RUNS: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "gaussian": ("gaussian", {}, {"densities": "densities", "curves": "curves-gaussian"}),
    "ring": ("ring", {}, {"plane": "plane", "warp": "warp"}),
    "patterns": ("patterns", {}, {"samples": "patterns"}),
    "lost": (
        "mlp-mnist",
        {"optimizer.generator.lr": 2e-5, "optimizer.discriminator.lr": 1e-3, "steps": 1500},
        {"curves": "curves-lost"},
    ),
    "digits": (
        "digits",
        {},
        {
            "samples": "samples",
            "interpolation": "interpolation",
            "nearest": "nearest",
            "curves": "curves-digits",
        },
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Pictures for the guide.")
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    for name in parser.parse_args().only:
        recipe, overrides, wanted = RUNS[name]
        with tempfile.TemporaryDirectory(prefix="sparring-") as folder:
            run = sparring.train(recipe, out=Path(folder) / name, overrides=overrides)
            for picture, target in wanted.items():
                source = run.path / "pictures" / f"{picture}.png"
                shutil.copyfile(source, IMAGES / f"guide-{target}.png")


if __name__ == "__main__":
    main()
