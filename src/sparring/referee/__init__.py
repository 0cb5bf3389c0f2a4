"""Findings: one file per failure that the referee can see."""

from sparring.referee.finding import Finding
from sparring.referee.nonfinite import nonfinite

FINDINGS = {"nonfinite": nonfinite}

__all__ = ["FINDINGS", "Finding"]
