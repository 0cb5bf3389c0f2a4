"""Findings: one file per failure that the referee can see, and what preflight sees before."""

from sparring.referee.finding import Finding
from sparring.referee.nonfinite import nonfinite
from sparring.referee.preflight import preflight

FINDINGS = {"nonfinite": nonfinite}

__all__ = ["FINDINGS", "Finding", "preflight"]
