"""Findings: one file per failure that the referee can see, and what preflight sees before.

A `Gauge` takes looks at a run, which are plain numbers; findings are pure functions of facts and
looks, so that a run can be judged again from what was written down.
"""

from sparring.referee.facts import Facts, facts_of
from sparring.referee.finding import Finding
from sparring.referee.findings import FINDINGS
from sparring.referee.gauge import Gauge
from sparring.referee.judge import Story, judge
from sparring.referee.look import Look
from sparring.referee.preflight import preflight

__all__ = [
    "FINDINGS",
    "Facts",
    "Finding",
    "Gauge",
    "Look",
    "Story",
    "facts_of",
    "judge",
    "preflight",
]
