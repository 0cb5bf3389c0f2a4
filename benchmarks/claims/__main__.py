"""What the teaching documents claim about GANs, measured and drawn.

    python -m benchmarks.claims [--quick] [--only vanishing distances initialization smoothing]

Figures go to results/claims.json, a picture of each claim to docs/images. A part that is run again
replaces only its own.
"""

from __future__ import annotations

from typing import Any

from benchmarks import common
from benchmarks.claims import distances, initialization, smoothing, vanishing

PARTS = {
    "vanishing": vanishing.measure,
    "distances": distances.measure,
    "initialization": initialization.measure,
    "smoothing": smoothing.measure,
}


def main() -> None:
    common.run_parts(__doc__, "claims", PARTS, show)


def show(part: str, result: dict[str, Any]) -> None:
    for name, rows in result.items():
        if isinstance(rows, list):
            print(common.table(rows, f"{part}: {name}"))
    print(f"{result['outcome']}\n{result['picture']}")


if __name__ == "__main__":
    main()
