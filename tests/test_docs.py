"""The docs quote the results of the benchmarks, and nothing else."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
RUNS = [
    {"seed": 0, "kind": "a", "mean": 3.98765, "reached": True},
    {"seed": 1, "kind": "a", "mean": 5.0, "reached": False},
    {"seed": 0, "kind": "b c", "mean": 4.0, "reached": True},
]


@pytest.fixture(scope="module")
def written() -> dict[Path, str]:
    pages: dict[Path, str] = script()["pages"]()
    return pages


def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "write_measured.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_figures_of_a_page_are_those_of_the_result_files(
    page: Path, written: dict[Path, str]
) -> None:
    assert page.read_text() == written[page], "run: python scripts/write_measured.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_line_begins_with_a_figure(page: Path) -> None:
    # Markdown takes such a comment for a block of HTML, and `6. ` after it for a list.
    assert not re.findall(r"^<!-- measured:.*<!-- end -->", page.read_text(), re.MULTILINE)


@pytest.fixture
def results(tmp_path: Path) -> Any:
    """The script, which reads results of ours: a file of one part and a file of several."""
    found = script()
    plain = {"benchmark": "digits", "runs": RUNS, "machine": {"cores": 2}, "share": 0.123456}
    (tmp_path / "digits.json").write_text(json.dumps(plain))
    parts = {"vanishing": {"outcome": "It vanishes.", "rows": RUNS, "machine": {"cores": 2}}}
    (tmp_path / "claims.json").write_text(json.dumps({"benchmark": "claims", "parts": parts}))
    found["excerpt"].__globals__["RESULTS"] = tmp_path
    return found


def test_a_marked_block_becomes_a_table_of_the_columns_and_rows_it_asks_for(results: Any) -> None:
    page = "a\n<!-- measured: digits runs seed mean kind=a -->\nold\n<!-- end -->\nb\n"
    table = "| seed | mean |\n| --- | --- |\n| 0 | 3.988 |\n| 1 | 5 |"
    wanted = page.replace("\nold\n", f"\n\n{table}\n\n")
    assert results["filled"](page) == wanted
    assert results["filled"](wanted) == wanted
    assert "| b c |" in results["excerpt"]('digits runs kind "kind=b c"')


def test_rows_that_share_a_value_are_put_together(results: Any) -> None:
    table = results["excerpt"]("claims vanishing.rows kind mean reached by=kind")
    assert table.splitlines()[2:] == ["| a | 3.988, 5 | yes, no |", "| b c | 4 | yes |"]


def test_a_mark_within_a_line_stays_within_it(results: Any) -> None:
    page = "It is <!-- measured: digits share -->?<!-- end -->."
    assert results["filled"](page) == "It is <!-- measured: digits share -->0.1235<!-- end -->."
    assert results["excerpt"]("claims vanishing.outcome") == "It vanishes."


def test_what_is_not_measured_yet_is_said_and_what_is_misnamed_is_an_error(results: Any) -> None:
    assert "benchmarks.toys --only ring" in results["excerpt"]("toys ring.runs")
    assert "benchmarks.claims --only smoothing" in results["excerpt"]("claims smoothing.runs")
    for words in (
        "digits rnus",
        "claims vanishing.ruws",
        "digits runs tseed",
        "digits runs seed=7",
    ):
        with pytest.raises(KeyError):
            results["excerpt"](words)


def test_the_page_of_all_results_leaves_out_the_machine(results: Any) -> None:
    page = results["measured_page"]()
    assert "It vanishes." in page
    assert "| 1 | a | 5 | no |" in page
    assert "cores" not in page


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    """Files, and headings within them."""
    for path, heading in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        if heading:
            heads = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert heading in slugs, f"{path} has no heading {heading}"
