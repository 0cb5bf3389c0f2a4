"""One process against two, one thread each, taking turns; and two that know nothing of another.

    python -m benchmarks.scaling [--quick] [--only digits dcgan same]

`shared` has the same global batch in both, `grown` twice the batch in two processes. Efficiency is
the time of one over the time of two, divided by how much more work each process of the one has:
1 means that the second process costs nothing. `bound` is the same for two processes at once that
share nothing, each with the rows that one of the two has: what smaller batches, memory and the
processor's clock cost, before a word is exchanged. `same` compares the weights after 200 steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from safetensors.torch import load_file

from benchmarks import common
from benchmarks.processes import ended, milliseconds, start
from sparring.recipes import load_recipe

ROUNDS = 4
STEPS = {"digits": 96, "dcgan": 16}
GOALS = {"shared": 0.85, "grown": 0.90}
SAME_STEPS = 200
SAME = 1e-6  # how far weights may be apart in float64
EARLIER = (8, 32)  # steps
RATES: dict[str, list[str]] = {
    "as they are": [],
    "a hundredth": [f"optimizer.{player}.lr=1.5e-5" for player in ("generator", "discriminator")],
}

Result = dict[str, Any]


def measured(name: str, quick: bool) -> Result:
    """Rounds of one and two processes on one recipe."""
    batch = load_recipe(name).batch_size
    settings: dict[str, dict[str, int]] = {
        "one": {"batch_size": batch},
        "shared": {"batch_size": batch, "processes": 2},
        "shared, bound": {"batch_size": batch // 2, "at_once": 2},
        "grown": {"batch_size": 2 * batch, "processes": 2},
        "grown, bound": {"batch_size": batch, "at_once": 2},
    }
    steps, rounds = (4, 1) if quick else (STEPS[name], ROUNDS)
    times: dict[str, list[float]] = {key: [] for key in settings}
    for _ in range(rounds):
        for key, how in settings.items():
            times[key].append(milliseconds(name, steps=steps, **how))
    efficiency = {
        key: round(median(a / b for a, b in zip(times["one"], own, strict=True)), 3)
        / (2 if key.startswith("shared") else 1)
        for key, own in times.items()
        if key != "one"
    }
    rows = [
        {
            "": key,
            "processes": how.get("processes", how.get("at_once", 1)),
            "rows_each": how["batch_size"] // how.get("processes", 1),
            "ms_a_step": round(median(times[key]), 2),
            "efficiency": efficiency.get(key),
        }
        for key, how in settings.items()
    ]
    goals = [
        common.goal(f"efficiency, batch {key}", efficiency[key], bound, at_least=True)
        for key, bound in GOALS.items()
        if name == "digits" or key == "grown"
    ]
    return {"settings": {"threads": 1, "rounds": rounds}, "rows": rows, "goals": goals}


def same(quick: bool) -> Result:
    """The greatest difference between weights that one process and two end with.

    Training itself makes rounding grow from step to step, at low rates hardly.
    """
    cases = [("as they are", 4 if quick else steps, []) for steps in EARLIER]
    cases += [(rates, 4 if quick else SAME_STEPS, keys) for rates, keys in RATES.items()]
    rows = []
    with common.scratch() as folder:
        for rates, steps, keys in cases:
            began, one = (weights(folder, made, 1, keys) for made in (0, steps))
            apart = difference(one, weights(folder, steps, 2, keys))
            moved = difference(began, one)
            rows.append({"rates": rates, "steps": steps, "apart": apart, "moved": moved})
    goals = [
        common.goal(f"weights apart, rates {row['rates']}", row["apart"], SAME, at_least=False)
        for row in rows[len(EARLIER) :]
    ]
    return {"settings": {"recipe": "digits", "numbers": "float64"}, "rows": rows, "goals": goals}


def weights(folder: Path, steps: int, processes: int, words: Sequence[str]) -> Path:
    """A file of what `digits` has after so many steps in float64."""
    file = folder / f"{processes} {steps} {' '.join(words)}.safetensors"
    ended(start("weights", "digits", "float64", str(steps), str(file), *words, processes=processes))
    return file


def difference(one: Path, other: Path) -> float:
    ours, theirs = load_file(one), load_file(other)
    assert ours.keys() == theirs.keys()
    return max(float((ours[k].double() - theirs[k].double()).abs().max()) for k in ours)


PARTS = {name: lambda quick, name=name: measured(name, quick) for name in STEPS} | {"same": same}


def show(name: str, result: Result) -> None:
    print(common.table(result["rows"], name))
    print(common.table(result["goals"]))


def main() -> None:
    common.run_parts(__doc__, "scaling", PARTS, show)


if __name__ == "__main__":
    main()
