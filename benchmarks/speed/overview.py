"""One row for each part: what the pages show."""

from __future__ import annotations

from typing import Any

from benchmarks import common
from benchmarks.speed.contenders import BARE, PACKAGE, PACKAGE_FP32, PLAIN

Row = dict[str, Any]


def of(parts: dict[str, Any]) -> dict[str, list[Row]]:
    """Tables over all parts that are measured."""
    recipes = {name: part for name, part in parts.items() if "profile" in part}
    rivals = {name: part for name, part in parts.items() if "steps" in part and name not in recipes}
    return {
        "recipes": [recipe_row(name, part) for name, part in recipes.items()],
        "libraries": [library_row(name, part) for name, part in rivals.items()],
        "ceilings": [ceiling_row(name, part) for name, part in recipes.items()],
        "memory": [memory_row(name, part) for name, part in recipes.items()],
        "noisy": [{"part": name} for name, part in parts.items()
                  if "machine" in part and not part["machine"]["quiet"]],
    }  # fmt: skip


def by_who(rows: list[Row]) -> dict[str, Row]:
    return {row["who"]: row for row in rows}


def said(row: Row, of: str = "") -> str:
    """A ratio with its bounds."""
    low, middle, high = (row[f"ratio{of}_{key}"] for key in ("low", "median", "high"))
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def goal_of(part: Row, what: str) -> str:
    """The bound of a goal, and whether it is met."""
    found = [one for one in part["goals"] if one["what"] == what]
    if not found:
        return ""
    return f"{found[0]['bound'].split()[-1]}: {'met' if found[0]['met'] else 'missed'}"


def recipe_row(name: str, part: Row) -> Row:
    whos = by_who(part["steps"])
    row: Row = {"recipe": name, "batch": part["settings"]["batch_size"], "rounds":
                part["settings"]["rounds"]}  # fmt: skip
    for who, key in ((PACKAGE, "ms"), (PACKAGE_FP32, "ms_fp32"), (PLAIN, "ms_plain")):
        row[key] = round(whos[who]["ms_median"], 1) if who in whos else None
    row["times_plain"] = said(whos[PLAIN])
    row["times_plain_fp32"] = said(whos[PLAIN], "_fp32") if PACKAGE_FP32 in whos else ""
    row["goal"] = goal_of(part, "times the plain loop's speed")
    row["times_bare"] = said(whos[BARE]) if BARE in whos else ""
    return row


def library_row(name: str, part: Row) -> Row:
    whos = by_who(part["steps"])
    (rival,) = (who for who in whos if who not in (PACKAGE, PACKAGE_FP32))
    return {
        "networks": name,
        "batch": part["settings"]["batch_size"],
        "rounds": part["settings"]["rounds"],
        "ms": round(whos[PACKAGE]["ms_median"], 1),
        "ms_fp32": round(whos[PACKAGE_FP32]["ms_median"], 1),
        "ms_library": round(whos[rival]["ms_median"], 1),
        "times": said(whos[rival]),
        "goal": goal_of(part, "times its speed"),
        "times_fp32": said(whos[rival], "_fp32"),
        "goal_fp32": goal_of(part, "times its speed in fp32"),
    }


def ceiling_row(name: str, part: Row) -> Row:
    row: Row = {"recipe": name}
    for found in part["ceilings"]:
        of = "" if found["who"] == PACKAGE else "_fp32"
        row |= {
            f"ms{of}": round(found["ms_a_step"], 1),
            f"ms_ceiling{of}": round(found["ms_ceiling"], 1),
            f"share{of}": round(found["share_of_ceiling"], 2),
            f"of_matmul{of}": round(found["share_of_matmul"], 2),
        }
    return row | {"goal": goal_of(part, "share of the ceiling")}


def memory_row(name: str, part: Row) -> Row:
    row: Row = {"recipe": name}
    for found in part["memory"]:
        row |= {"at_first": found.get("mb_before"), found["who"]: found.get("mb_peak")}
    return row


def show(name: str, result: Row) -> None:
    """Print a part."""
    print(common.table(result["steps"], name))
    for key in ("ceilings", "memory", "profile", "goals"):
        if result.get(key):
            print(common.table(result[key]))
    if not result["machine"]["quiet"]:
        print("The machine was not quiet: others used it or its speed changed; measure again.")
