"""The referee: looks at a run while it trains, tells what it finds, and acts if it may."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from typing import Any

from sparring.data import Dataset
from sparring.errors import StoppedByFinding
from sparring.referee import Finding, Gauge, Look, Story, facts_of
from sparring.referee.gauge import is_due
from sparring.referee.nonfinite import Nonfinite, check
from sparring.run import RunFolder, write_json
from sparring.training import checkpoint
from sparring.training.loop import Tick
from sparring.training.state import State

# Of a run: what looks bad so soon after its beginning, or after a change, may come right by itself.
PATIENCE = 0.25
HEALTHY, CANDIDATE = "healthy.safetensors", "candidate.safetensors"


class GoBack(Exception):
    """A finding that a rescue is to be tried for."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.code)
        self.finding = finding


class Referee:
    """Takes looks at spaced ticks; what is not finite ends the run before it is saved.

    `known` is what was found before the first step; `tell` says what is new to the person. `look`
    and `new` are those of the tick that was observed last, `rescues` what was done so far.
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
        self.dataset, self.folder, self.tell = dataset, folder, tell
        self.gauge = Gauge(dataset)
        self.story = Story(facts_of(state.recipe, dataset, state.game))
        self.tick: Tick | None = None
        self.look: Look | None = None
        self.new: list[Finding] = []
        self.rescues: list[dict[str, Any]] = []

    @property
    def findings(self) -> list[Finding]:
        return [*self.story.findings, *self.known]

    @property
    def verdict(self) -> str:
        """That of what was seen; what was known before proves nothing."""
        return self.story.verdict

    def rescued_at(self, step: int) -> dict[str, Any] | None:
        """The last rescue, if it went back to this step."""
        return next((one for one in reversed(self.rescues) if one["to"] == step), None)

    def resume(self, state: State, history: Iterable[dict[str, Any]]) -> None:
        """Take up the looks of the run so far, from a state that may be another one."""
        looks = [Look.read(tick["look"]) for tick in history if "look" in tick]
        self.story = Story(facts_of(state.recipe, self.dataset, state.game), looks)

    def __call__(self, tick: Tick, state: State) -> None:
        self.tick, self.look, self.new = tick, None, []
        bad = check(tick, state)
        if bad is not None or (state.recipe.referee.enabled and is_due(tick, state.recipe)):
            self._look(tick, state, bad)

    def check(self, tick: Tick, state: State) -> None:
        """Only whether all is finite: for a moment at which an uninterrupted run has no tick."""
        self.tick, self.look, self.new = tick, None, []
        bad = check(tick, state)
        if bad is not None:
            self._look(tick, state, bad)

    def _look(self, tick: Tick, state: State, bad: Nonfinite | None) -> None:
        self.look = self.gauge.look(tick, state, bad)
        self.new = self.story.add(self.look)
        self.write()
        self._go_back_if_due(state)
        for finding in self.new:
            self._act(finding, state)
        if state.recipe.referee.action == "rescue" and self.is_well:
            self.keep(state, tick.seconds)

    @property
    def is_well(self) -> bool:
        """Whether nothing bad holds."""
        return self.story.verdict != "unhealthy"

    def _go_back_if_due(self, state: State) -> None:
        """Raise GoBack where something bad holds that a rescue may be tried for by now."""
        keys, since = state.recipe.referee, state.step
        if keys.action != "rescue" or len(self.rescues) >= keys.rescues:
            return
        if self.rescues:
            since -= self.rescues[-1]["to"]
        early = since < PATIENCE * state.recipe.steps
        for finding in self.story.findings:
            if can_rescue(finding) and (finding.code == "nonfinite" or not early):
                raise GoBack(finding)

    def _act(self, finding: Finding, state: State) -> None:
        """Stop, or tell of it."""
        keys = state.recipe.referee
        left = keys.action == "rescue" and len(self.rescues) < keys.rescues
        waits = left and can_rescue(finding)  # it is not too late, only too early
        hopeless = finding.severity == "fatal" and keys.action != "warn" and not waits
        if finding.code == "nonfinite" or hopeless:
            raise StoppedByFinding(f"training stopped: {finding.evidence}", finding.advice)
        self.tell(finding)

    def keep(self, state: State, seconds: float) -> None:
        """Keep a healthy state once the next look was good too: failures begin unseen."""
        assert self.folder is not None
        candidate, healthy = (self.folder.checkpoints / name for name in (CANDIDATE, HEALTHY))
        # After an interruption there may be one of a step that is still to come.
        if candidate.exists() and checkpoint.read(candidate).meta["step"] < state.step:
            candidate.replace(healthy)
        checkpoint.save(state, candidate, seconds=seconds, data=self.dataset.fingerprint)
        if not healthy.exists():
            shutil.copy(candidate, healthy)

    def write(self) -> None:
        """Keep findings.json as things are."""
        if self.folder is not None:
            found: dict[str, Any] = {
                "verdict": self.verdict,
                "findings": [finding.json() for finding in self.findings],
                "facts": self.story.facts.json(),
            }
            write_json(self.folder.findings, found | {"rescues": self.rescues})


def can_rescue(finding: Finding) -> bool:
    """Whether a finding is bad and names a change to make."""
    return finding.severity != "info" and bool(finding.changes) and not finding.resolved
