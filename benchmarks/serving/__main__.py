"""The HTTP service: load, cache hits, endurance, a larger generator, abuse, truth, start, export.

    python -m benchmarks.serving [--quick] [--only load hits larger endurance abuse truth ...]

Needs wrk (apt-get install wrk). Client and server share the machine. `load` starts each server in
turn, several rounds of it, with every request for a new seed and no cache; beside the service stand
a FastAPI endpoint as tutorials write it, the same in two processes, LitServe, and the session alone
in a loop. SPARRING_BENCHMARK_MINUTES is how long `endurance` takes, 10 unless set.
"""

from __future__ import annotations

from typing import Any

from benchmarks import common
from benchmarks.serving.abuse import abuse
from benchmarks.serving.exports import export
from benchmarks.serving.load import endurance, hits, larger, load
from benchmarks.serving.truth import start, truth

PARTS = {
    "load": load,
    "hits": hits,
    "larger": larger,
    "endurance": endurance,
    "abuse": abuse,
    "truth": truth,
    "start": start,
    "export": export,
}


def show(name: str, result: dict[str, Any]) -> None:
    for key, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            print(common.table(value, f"{name}: {key}"))
        elif key not in ("machine", "settings"):
            print(f"{name}: {key}: {value}")


def main() -> None:
    common.run_parts(__doc__, "serving", PARTS, show)


if __name__ == "__main__":
    main()
