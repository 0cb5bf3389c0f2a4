"""Replays the records through the referee: is it right about what is unhealthy, and about why?

    python -m benchmarks.referee.replay [--half tuned] [--wrong]

prints one half of the settings while thresholds are tuned; only the benchmark itself
(`python -m benchmarks.referee --only replay`) looks at the other one.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.referee.settings import BROKEN, HEALTHY, Setting
from benchmarks.referee.truth import Truth

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
    codes: tuple[str, ...]  # of all findings that are bad news, the first one first
    early_verdict: str
    early_codes: tuple[str, ...]

    @property
    def called(self) -> bool:
        return self.verdict == "unhealthy"

    @property
    def named(self) -> bool:
        """Whether a finding names what was done."""
        return not set(self.codes).isdisjoint(self.setting.causes)

    @property
    def first_named(self) -> bool:
        return bool(self.codes) and self.codes[0] in self.setting.causes

    @property
    def early(self) -> bool:
        """Whether the first quarter was enough to call it unhealthy or to name the cause."""
        return self.early_verdict == "unhealthy"

    @property
    def held_out(self) -> bool:
        return is_held_out(self.setting)


def is_held_out(setting: Setting) -> bool:
    return setting.base in HELD_OUT_BASES or setting.way in HELD_OUT_WAYS


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--half", choices=("tuned", "held-out", "all"), default="tuned")
    parser.add_argument("--wrong", action="store_true", help="list the runs it is wrong about")
    options = parser.parse_args()
    wanted = {"tuned": (False,), "held-out": (True,), "all": (False, True)}[options.half]
    cases = [case for case in load_cases() if case.held_out in wanted]
    print(common.table(rows_of(cases), f"{options.half}: {len(cases)} runs"))
    if options.wrong:
        print(common.table([told(case) for case in cases if is_wrong(case)] or [{"wrong": "none"}]))


def told(case: Case) -> Row:
    return {
        "run": f"{case.setting.name} {case.seed}",
        "truth": f"{case.truth.verdict} {case.truth.why}",
        "verdict": case.verdict,
        "codes": " ".join(case.codes),
        "early": case.early_verdict,
    }


def is_wrong(case: Case) -> bool:
    if case.truth.verdict == "between":
        return False
    if case.called != case.truth.unhealthy:
        return True
    return case.truth.unhealthy and not case.named


def measures(cases: Sequence[Case]) -> dict[str, float]:
    """The four shares; a share of nothing is no number."""
    judged = [case for case in cases if case.truth.verdict != "between"]
    called = [case for case in judged if case.called]
    ill = [case for case in judged if case.truth.unhealthy]
    # What nobody broke has no cause that could be named rightly.
    broken = [case for case in ill if case.setting.broken]
    return {
        "precision": share(called, lambda case: case.truth.unhealthy),
        "recall": share(ill, lambda case: case.called),
        "cause": share(broken, lambda case: case.named),
        "cause first": share(broken, lambda case: case.first_named),
        "early": share(ill, lambda case: case.early),
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
