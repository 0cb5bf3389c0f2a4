"""The examples run from top to bottom, on few steps, and do what they say."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_the_gan_in_the_plane_learns_and_saves_a_picture(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "two_d_gan.py"), "--steps", "20"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "of 8 modes" in done.stdout
    assert Image.open(tmp_path / "runs" / "two-d" / "two-d.png").size > (300, 300)
    history = (tmp_path / "runs" / "two-d" / "history.jsonl").read_text()
    assert "loss/discriminator/slope near one" in history


def test_the_notebook_runs_and_shows_its_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEPS", "20")
    book = nbformat.read(EXAMPLES / "first_gan.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in book.cells), "outputs belong in no repository"
    NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in book.cells for output in cell.get("outputs", [])]
    pictures = [kind for output in shown for kind in output.get("data", {}) if "image/" in kind]
    assert sorted(pictures) == ["image/gif", "image/png", "image/png"]
    said = "".join(output.get("text", "") for output in shown if output.get("name") == "stdout")
    for loss in ("logistic", "logistic-saturating", "hinge", "least-squares"):
        assert f"{loss:22}mean" in said
