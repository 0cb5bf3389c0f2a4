"""Replays the records through the referee: is it right about what is unhealthy, and about why?

    python -m benchmarks.referee.replay [--half tuned] [--wrong]

prints one half of the settings while thresholds are tuned; only the benchmark itself
(`python -m benchmarks.referee --only replay`) looks at the other one.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.referee.record import read, record_path
from benchmarks.referee.settings import BROKEN, FRESH, HEALTHY, SEEDS, SETTINGS, Setting
from benchmarks.referee.truth import Truth, truths
from sparring.referee import Facts, Finding, Look, judge
from sparring.referee.facts import warnings_of
from sparring.run import RunFolder

# Held out: what thresholds were not tuned on has one of these bases or of these ways, so that the
# recipe or the way of breaking it is new.
HELD_OUT_BASES = {"ring", "cdcgan", "cgan", "lsgan"}
HELD_OUT_WAYS = {*sorted(BROKEN)[1::4], *sorted(HEALTHY)[1::4]}
EARLY = 0.25  # of a run
DRAWS = 2000
GOALS = {"precision": 0.95, "recall": 0.95, "cause": 0.85, "early": 0.5}

Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A recorded run: what came of it, what the referee says, and what it said early on."""

    setting: Setting
    seed: int
    truth: Truth
    verdict: str
    codes: tuple[str, ...]  # of what was found to be bad, the worst first
    known: tuple[str, ...]  # what preflight had warned about
    early_verdict: str
    early_codes: tuple[str, ...]

    @property
    def called(self) -> bool:
        return self.verdict == "unhealthy"

    @property
    def named(self) -> bool:
        """Whether a finding names what was done, or preflight did."""
        return not {*self.codes, *self.known}.isdisjoint(self.setting.causes)

    @property
    def first_named(self) -> bool:
        return bool(self.codes) and self.codes[0] in self.setting.causes

    @property
    def early(self) -> bool:
        """Whether what was done was named within the first quarter."""
        return not {*self.early_codes, *self.known}.isdisjoint(self.setting.causes)

    @property
    def called_early(self) -> bool:
        return self.early_verdict == "unhealthy"

    @property
    def held_out(self) -> bool:
        return is_held_out(self.setting)


def is_held_out(setting: Setting) -> bool:
    return setting.base in HELD_OUT_BASES or setting.way in HELD_OUT_WAYS


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--half", choices=("tuned", "held-out", "fresh", "all"), default="tuned")
    parser.add_argument("--wrong", action="store_true", help="list the runs it is wrong about")
    options = parser.parse_args()
    cases = [case for case in load_cases() if options.half in ("all", half_of(case))]
    print(common.table(rows_of(cases), f"{options.half}: {len(cases)} runs"))
    if options.wrong:
        print(common.table([told(case) for case in cases if is_wrong(case)] or [{"wrong": "none"}]))


def half_of(case: Case) -> str:
    if not case.held_out:
        return "tuned"
    return "fresh" if case.seed == FRESH else "held-out"


def load_cases() -> list[Case]:
    """The records that there are, replayed."""
    seeds = (*SEEDS, FRESH)
    paths = [record_path(setting, seed) for setting in SETTINGS.values() for seed in seeds]
    found = [(path, read(path)) for path in paths if path.exists()]
    have = {record["setting"] for _, record in found}
    found = [(p, record) for p, record in found if SETTINGS[record["setting"]].reference in have]
    outcomes = truths([record for _, record in found])
    return [
        case_of(path, record, outcome)
        for (path, record), outcome in zip(found, outcomes, strict=True)
    ]


def case_of(path: Path, record: Row, outcome: Truth) -> Case:
    written = read(path.parent / "findings.json")
    before = [Finding.read(one) for one in written["findings"] if one["step"] == 0]
    # What older records know of the warnings is in their findings alone.
    facts = replace(Facts.read(written["facts"]), warned=warnings_of(before))
    ticks = RunFolder(path.parent).read_history()  # none where the first tick stopped the run
    looks = [Look.read(tick["look"]) for tick in ticks if "look" in tick]
    if record["stopped"]:  # at a tick that was not written down
        bad = next(one for one in written["findings"] if one["code"] == "nonfinite")
        looks.append(Look(bad["until"], 0, nonfinite=(bad["evidence"], bad["step"], [])))
    said = [
        judge(facts, part) for part in (looks, [k for k in looks if k.step <= EARLY * facts.steps])
    ]
    (verdict, codes), (early_verdict, early_codes) = [
        (
            verdict,
            tuple(one.code for one in findings if one.severity != "info" and not one.resolved),
        )
        for verdict, findings in said
    ]
    return Case(
        SETTINGS[record["setting"]],
        record["seed"],
        outcome,
        verdict,
        codes,
        tuple(one.code for one in before),
        early_verdict,
        early_codes,
    )


def told(case: Case) -> Row:
    return {
        "run": f"{case.setting.name} {case.seed}",
        "truth": f"{case.truth.verdict} {case.truth.why}",
        "verdict": case.verdict,
        "codes": " ".join(case.codes),
        "known": " ".join(case.known),
        "early": case.early_verdict,
    }


def is_wrong(case: Case) -> bool:
    if case.truth.verdict == "between":
        return False
    if case.called != case.truth.unhealthy:
        return True
    return case.truth.unhealthy and not case.named


def measures(cases: Sequence[Case]) -> dict[str, float]:
    """The shares; one of nothing is no number."""
    judged = [case for case in cases if case.truth.verdict != "between"]
    called = [case for case in judged if case.called]
    ill = [case for case in judged if case.truth.unhealthy]
    well = [case for case in judged if not case.truth.unhealthy]
    # What nobody broke has no cause that could be named rightly.
    broken = [case for case in ill if case.setting.broken]
    return {
        "precision": share(called, lambda case: case.truth.unhealthy),
        "recall": share(ill, lambda case: case.called),
        "cause": share(broken, lambda case: case.named),
        "cause first": share(broken, lambda case: case.first_named),
        "early": share(broken, lambda case: case.early),
        "early alarms": share(well, lambda case: case.called_early),
    }


def share(cases: Sequence[Case], right: Callable[[Case], bool]) -> float:
    return sum(map(right, cases)) / len(cases) if cases else float("nan")


def rows_of(cases: Sequence[Case]) -> list[Row]:
    """Each measure with its 95% interval, bootstrapped over settings: seeds are alike."""
    found = measures(cases)
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.setting.name, []).append(case)
    clusters = list(groups.values())
    draw = np.random.default_rng(0)
    drawn = [
        measures(
            [case for k in draw.integers(0, len(clusters), len(clusters)) for case in clusters[k]]
        )
        for _ in range(DRAWS)
    ]
    rows = []
    for name, value in found.items():
        low, high = np.nanquantile([one[name] for one in drawn], [0.025, 0.975])
        rows.append({"measure": name, "value": value, "low": float(low), "high": float(high)})
    return rows


def confusion(cases: Sequence[Case]) -> list[Row]:
    """For each way: its runs by outcome, those called unhealthy, and what was said first."""
    rows = []
    for way in [*BROKEN, "healthy settings"]:
        mine = [
            case
            for case in cases
            if case.setting.way == way or (way not in BROKEN and not case.setting.broken)
        ]
        if not mine:
            continue
        outcomes = Counter(case.truth.verdict for case in mine)
        ill = [case for case in mine if case.truth.unhealthy]
        well = [case for case in mine if case.truth.verdict == "healthy"]
        said = Counter(case.codes[0] for case in mine if case.called and case.codes)
        rows.append(
            {
                "way": way,
                "runs": len(mine),
                "ended well": outcomes["healthy"],
                "between": outcomes["between"],
                "ended badly": outcomes["unhealthy"],
                "false alarms": sum(case.called for case in well),
                "missed": sum(not case.called for case in ill),
                "cause named": sum(case.named for case in ill) if way in BROKEN else None,
                "said first": ", ".join(f"{code} {count}" for code, count in said.most_common(3)),
            }
        )
    return rows


def table_of_verdicts(cases: Sequence[Case]) -> list[Row]:
    """Truth against verdict."""
    counts = Counter((case.truth.verdict, case.verdict) for case in cases)
    return [
        {
            "ended": truth,
            **{said: counts[truth, said] for said in ("healthy", "unknown", "unhealthy")},
        }
        for truth in ("healthy", "between", "unhealthy")
    ]


def replayed(quick: bool) -> dict[str, Any]:
    """The part of the benchmark: figures of both halves, the goals on the held-out one."""
    cases = load_cases()
    fresh = [case for case in cases if half_of(case) == "fresh"]
    cases = [case for case in cases if half_of(case) != "fresh"]
    held_out = [case for case in cases if half_of(case) == "held-out"]
    tuned = [case for case in cases if half_of(case) == "tuned"]
    rows = rows_of(held_out)
    values = {one["measure"]: one["value"] for one in rows}
    return {
        "settings": {
            "held_out_recipes": sorted(HELD_OUT_BASES),
            "held_out_ways": sorted(HELD_OUT_WAYS),
            "early": f"the first {EARLY:.0%} of the looks' steps",
            "intervals": "95%, bootstrapped over settings",
        },
        "fresh_runs": len(fresh),
        "held_out_runs": len(held_out),
        "tuned_runs": len(tuned),
        "fresh": rows_of(fresh) if fresh else [],
        "held_out": rows,
        "tuned": rows_of(tuned),
        "verdicts": table_of_verdicts(held_out),
        "confusion": confusion(cases),
        "goals": [
            common.goal(f"{name} on held-out settings", values[name], bound, at_least=True)
            for name, bound in GOALS.items()
        ],
    }


if __name__ == "__main__":
    main()
