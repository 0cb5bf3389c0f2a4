"""What a person sees while it trains, and how often the run is saved."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from helpers import D, G, small_recipe, small_state, toy
from sparring.observers import Checkpoints, History, Progress, Referee
from sparring.observers.record import snapshot_is_due
from sparring.run import RunFolder
from sparring.training import checkpoint
from sparring.training.loop import Tick, train
from sparring.training.state import State

VALUES = {
    f"loss/{D}": 1.25,
    f"loss/{G}": 0.8125,
    "accuracy/real": 0.75,
    "accuracy/fake": 0.5,
    "metric/kid": 0.123456,
}


def a_tick(state: State, step: int, **values: float) -> Tick:
    return Tick(step, step * 8, 1.0, step == state.recipe.steps, VALUES | values)


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_shows_losses_beside_their_equilibrium(terminal: bool) -> None:
    state = small_state(small_recipe(steps=100))
    output = io.StringIO()
    with Progress(state, Console(file=output, force_terminal=terminal, width=120)) as progress:
        progress(a_tick(state, 40), state)
    shown = output.getvalue()
    for words in ("40/100", "1.25", "1.386", "0.693", "75% real" if terminal else "75%/50%"):
        assert words in shown
    assert "0.1235" in shown
    assert ("\x1b[" in shown) == terminal


def test_without_a_terminal_lines_are_rare() -> None:
    state = small_state(small_recipe(steps=1000))
    output = io.StringIO()
    with Progress(state, Console(file=output, force_terminal=False, width=200)) as progress:
        for step in range(1, 1001):
            progress(a_tick(state, step), state)
    lines = output.getvalue().splitlines()
    assert [line.split(" ·")[0] for line in lines] == ["step 1/1000", "step 1000/1000"]


def test_a_line_of_the_history_can_always_be_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    state = small_state()
    history = History(folder, Referee(state, toy()))
    history(a_tick(state, 4), state)
    history(a_tick(state, 8, **{"metric/fid": float("nan"), f"loss/{G}": float("-inf")}), state)
    first, second = (json.loads(line) for line in folder.history.read_text().splitlines())
    assert first == {"step": 4, "samples_seen": 32, "seconds": 1.0, **VALUES, "findings": []}
    assert second["metric/fid"] is None
    assert second[f"loss/{G}"] is None
    assert folder.read_history(until_step=4) == [first]


class Clock:
    """Time that passes when it is told to; saving takes some of it."""

    def __init__(self, saving: float) -> None:
        self.now, self.saving, self.calls = 0.0, saving, 0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("every", "saving", "expected"), [(3.0, 0.0, [3, 6, 8]), (0.0, 0.2, [1, 5, 8])]
)
def test_checkpoints_come_every_so_many_seconds_and_cost_little(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    every: float,
    saving: float,
    expected: list[int],
) -> None:
    """One step takes a second; a save of 0.2 s waits for 20 times as long."""
    clock = Clock(saving)
    state = small_state(small_recipe(tick=1, checkpoint_seconds=every))
    checkpoints = Checkpoints(RunFolder(tmp_path), "data", clock)
    steps: list[int] = []
    save = checkpoint.save

    def slow_save(state: State, *rest: object, **more: object) -> None:
        steps.append(state.step)
        clock.now += clock.saving
        save(state, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "save", slow_save)

    def pass_time(tick: Tick, state: State) -> None:
        clock.now += 1

    train(state, [pass_time, checkpoints])
    assert steps == expected
    found = checkpoint.read(tmp_path / "checkpoints" / checkpoint.LAST)
    assert (found.meta["step"], found.meta["data"]) == (8, "data")


def test_snapshots_come_early_and_then_evenly() -> None:
    recipe = small_recipe(steps=4000, tick=10, snapshots=4)
    due = [step for step in range(10, 4001, 10) if snapshot_is_due(step, recipe)]
    assert due == [10, 20, 40, 80, 160, 320, 640, 1000, 1280, 2000, 2560, 3000, 4000]
