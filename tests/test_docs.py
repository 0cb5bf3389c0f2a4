"""The docs quote the results of the benchmarks, and nothing else."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_measurements_are_those_of_the_result_files() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "write_measured.py"))
    assert (ROOT / "docs" / "measured.md").read_text() == script["page"]()
