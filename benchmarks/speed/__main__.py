"""Milliseconds a step: the package, plain loops, other libraries, all taking turns.

    python -m benchmarks.speed [--quick] [--only mlp-mnist ...] [--budget 45]

Contenders of a part train the same networks at the same batch size, each in a process of its own. A
round is some steps of each, in random order; figures are medians over rounds, ratios those within a
round, with 95% bootstrap bounds. Beside them: the time of the step's own convolutions and matrix
products alone, the peak memory of a process of its own, and where the time goes. Steps of
`gaussian` take a millisecond or two, where dispatch dominates: they are reported without a goal.

torch-mimicry and torchgan are no dependencies of the project; their parts are left out unless
`pip install --no-deps torch-mimicry==0.1.16 torchgan==0.1.0` was done.
"""

from __future__ import annotations

import json

from benchmarks import common
from benchmarks.speed import overview
from benchmarks.speed.cases import CASES
from benchmarks.speed.libraries import LIBRARIES, compare
from benchmarks.speed.recipes import measure

NAME = "speed"


def main() -> None:
    parts = [*CASES, *LIBRARIES]
    parser = common.arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--budget", type=float, help="seconds of rounds for each part [45]")
    options = parser.parse_args()
    budget = options.budget or (2 if options.quick else 45)
    for name in options.only:
        watch = common.Watch()
        result = (measure if name in CASES else compare)(name, budget, options.quick)
        if result is None:
            continue
        result["machine"] = watch.record()
        path = common.save_result(NAME, result, options.quick, name)
        tables = overview.of(json.loads(path.read_text())["parts"])
        common.save_result(NAME, tables, options.quick, "overview")
        overview.show(name, result)
        print(path, flush=True)


if __name__ == "__main__":
    main()
