"""The command line: a thin layer over the API."""

# The order is that of `sparring --help`.
from sparring.cli import training, sampling, measuring, diagnosing  # noqa: F401, I001
from sparring.cli import shipping, listing, auditing  # noqa: F401
from sparring.cli.ending import main

__all__ = ["main"]
