"""Is the referee right, early and cheap? Failures made on purpose, recorded and replayed.

    python -m benchmarks.referee [--quick] [--only record replay ...]

Parts: record (trains what is missing of the record, which takes most of an hour on two cores; see
record.py), replay, rescue, cost, equilibrium, strangers, gallery.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import common
from benchmarks.referee.cost import cost
from benchmarks.referee.equilibrium import equilibrium
from benchmarks.referee.gallery import gallery
from benchmarks.referee.record import recorded
from benchmarks.referee.replay import replayed
from benchmarks.referee.rescue import rescue
from benchmarks.referee.strangers import strangers

PARTS: dict[str, Callable[[bool], dict[str, Any]]] = {
    "record": recorded,
    "replay": replayed,
    "rescue": rescue,
    "cost": cost,
    "equilibrium": equilibrium,
    "strangers": strangers,
    "gallery": gallery,
}


def show(part: str, result: dict[str, Any]) -> None:
    for name, rows in result.items():
        if isinstance(rows, list) and rows:
            print(common.table(rows, f"{part}: {name}"))


if __name__ == "__main__":
    common.run_parts(__doc__, "referee", PARTS, show)
