"""The referee: looks at a run while it trains, tells what it finds, and acts if it may."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sparring.data import Dataset
from sparring.errors import StoppedByFinding
from sparring.referee import Finding, Gauge, Look, Story, facts_of
from sparring.referee.gauge import is_due
from sparring.referee.nonfinite import check
from sparring.run import RunFolder, write_json
from sparring.training.loop import Tick
from sparring.training.state import State


class Referee:
    """Takes looks at spaced ticks, and a fatal finding ends the run before anything bad is saved.

    `known` is what was found before the first step; `tell` says what is new to the person. `look`
    and `new` are those of the tick that was observed last.
    """

    def __init__(
        self,
        state: State,
        dataset: Dataset,
        known: Iterable[Finding] = (),
        folder: RunFolder | None = None,
        tell: Callable[[Finding], None] = lambda finding: None,
    ) -> None:
        self.known = list(known)
        self.folder, self.tell = folder, tell
        self.gauge = Gauge(dataset)
        self.story = Story(facts_of(state.recipe, dataset, state.game))
        self.look: Look | None = None
        self.new: list[Finding] = []

    @property
    def findings(self) -> list[Finding]:
        return [*self.known, *self.story.findings]

    @property
    def verdict(self) -> str:
        """That of what was seen; what was known before proves nothing."""
        return self.story.verdict

    def resume(self, history: Iterable[dict[str, Any]]) -> None:
        """Take up the looks of the run so far."""
        for tick in history:
            if "look" in tick:
                self.story.add(Look.read(tick["look"]))

    def __call__(self, tick: Tick, state: State) -> None:
        self.look, self.new = None, []
        bad = check(tick, state)
        if bad is None and not (state.recipe.referee.enabled and is_due(tick, state.recipe)):
            return
        self.look = self.gauge.look(tick, state, bad)
        self.new = self.story.add(self.look)
        self.write()
        for finding in self.new:
            if finding.code == "nonfinite":
                raise StoppedByFinding(f"training stopped: {finding.evidence}", finding.advice)
            self.tell(finding)

    def write(self) -> None:
        """Keep findings.json as things are."""
        if self.folder is not None:
            write_json(
                self.folder.findings,
                {
                    "verdict": self.verdict,
                    "findings": [finding.json() for finding in self.findings],
                    "facts": self.story.facts.json(),
                },
            )
