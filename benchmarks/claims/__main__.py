"""What the teaching documents claim about GANs, measured and drawn.

    python -m benchmarks.claims [--quick] [--only vanishing distances initialization smoothing]

Figures go to results/claims.json, a picture of each claim to docs/images. A part that is run again
replaces only its own.
"""

from __future__ import annotations

from benchmarks import common
from benchmarks.claims import distances, initialization, smoothing, vanishing

PARTS = {
    "vanishing": vanishing.measure,
    "distances": distances.measure,
    "initialization": initialization.measure,
    "smoothing": smoothing.measure,
}


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    for part in options.only:
        watch = common.Watch()
        result = PARTS[part](options.quick) | {"machine": watch.record()}
        path = common.save_result("claims", result, options.quick, part)
        for name, rows in result.items():
            if isinstance(rows, list):
                print(common.table(rows, f"{part}: {name}"))
        print(f"{result['outcome']}\n{path}, {result['picture']}", flush=True)


if __name__ == "__main__":
    main()
