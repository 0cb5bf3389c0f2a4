"""The verdict: what was found when, whether it holds still, and what that makes of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sparring.referee.facts import Facts
from sparring.referee.finding import Finding
from sparring.referee.findings import FINDINGS
from sparring.referee.look import Look

ENOUGH = 6  # looks, fewer of which say nothing good
FEW = 4  # fewer say nothing bad either, but that there is NaN: a run of a dozen steps is no failure
VERDICTS = ("healthy", "unhealthy", "unknown")


class Story:
    """Findings over a run, look by look: each from the step where it began."""

    def __init__(self, facts: Facts, looks: Sequence[Look] = ()) -> None:
        self.facts = facts
        self.looks: list[Look] = []
        self._found: dict[str, Finding] = {}
        for look in looks:
            self.add(look)

    def add(self, look: Look) -> list[Finding]:
        """Take one more look into account; returns what is new, or is worse than it was."""
        self.looks.append(look)
        new = []
        known = FINDINGS if len(self.looks) >= FEW else {"nonfinite": FINDINGS["nonfinite"]}
        for code, find in known.items():
            now, before = find(self.facts, self.looks), self._found.get(code)
            if now is None:
                if before is not None:
                    self._found[code] = replace(before, resolved=True)
                continue
            holds = before is not None and not before.resolved
            if before is not None and holds:
                now = replace(now, step=min(before.step, now.step))
            self._found[code] = replace(now, until=look.step if now.until is None else now.until)
            if before is None or not holds or (now.severity != before.severity):
                new.append(self._found[code])
        return new

    @property
    def findings(self) -> list[Finding]:
        """What holds first, then what is over; bad news first, and causes before what they cause,
        which is the order of FINDINGS."""
        order = {code: place for place, code in enumerate(FINDINGS)}
        return sorted(
            self._found.values(),
            key=lambda one: (one.resolved, one.severity == "info", order[one.code]),
        )

    @property
    def verdict(self) -> str:
        """`unhealthy` while something bad holds; `healthy` only of enough that was seen."""
        if any(not one.resolved and one.severity != "info" for one in self._found.values()):
            return "unhealthy"
        seen = [look for look in self.looks if look.distance is not None]
        return "healthy" if len(seen) >= ENOUGH else "unknown"


def judge(facts: Facts, looks: Sequence[Look]) -> tuple[str, list[Finding]]:
    """The verdict over a run, and its findings: what holds, and what is over (`resolved`)."""
    story = Story(facts, looks)
    return story.verdict, story.findings
