"""Progress is shown of what takes long, and of nothing else."""

import time

import pytest

from sparring.metrics import waiting as module
from sparring.metrics.waiting import waiting


def looked_at(count: int, seconds: float) -> None:
    with waiting("looking", count) as advance:
        for _ in range(count):
            time.sleep(seconds)
            advance(1)


def test_what_takes_long_is_told_once_with_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looked_at(5, 0)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(module, "PATIENCE", 0.02)
    looked_at(6, 0.01)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "looking: about 0 s\n")


def test_nothing_is_told_under_another_display(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console
    from rich.live import Live

    monkeypatch.setattr(module, "PATIENCE", -1.0)
    with Live(console=Console(force_terminal=True, stderr=True), transient=True):
        looked_at(3, 0)
    assert "looking" not in capsys.readouterr().err


def test_a_bar_in_a_terminal_ends_with_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "PATIENCE", -1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")

    def failing() -> None:
        with waiting("looking", 3) as advance:
            advance(1)
            advance(1)
            raise ValueError("here")

    with pytest.raises(ValueError, match="here"):
        failing()
    shown = capsys.readouterr().err
    assert "2/3" in shown
    assert "\x1b[?25h" in shown  # the cursor is there again
