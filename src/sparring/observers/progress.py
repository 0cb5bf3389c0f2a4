"""The live display: how far, how long, how fast, and how the fight goes."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.table import Table

from sparring.training.loop import Tick
from sparring.training.state import State

PLAIN_SECONDS = 10.0  # between two lines where there is no terminal


class Progress:
    """Shows each tick on stderr: a live table in a terminal, else a line now and then."""

    def __init__(self, state: State, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.equilibrium = state.game.equilibrium()
        self.bar = Bar(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("steps ·"),
            TimeElapsedColumn(),
            TextColumn("· left"),
            TimeRemainingColumn(),
            console=self.console,
        )
        self.task = self.bar.add_task(state.recipe.name, total=state.recipe.steps)
        self.bar.update(self.task, completed=state.step)
        self.live = Live(self.bar, console=self.console, refresh_per_second=4, transient=True)
        self.scores: dict[str, float] = {}
        self._before = (state.samples_seen, time.perf_counter())
        self._first = self._before
        self._printed = 0.0

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.live.stop()

    def __call__(self, tick: Tick, state: State) -> None:
        now = time.perf_counter()
        rate = (tick.samples_seen - self._before[0]) / max(now - self._before[1], 1e-9)
        self._before = (tick.samples_seen, now)
        self.scores |= {k: v for k, v in tick.values.items() if k.startswith("metric/")}
        if self.console.is_terminal:
            self.bar.update(self.task, completed=tick.step)
            self.live.update(Group(self.bar, self._table(tick, rate)))
        elif now - self._printed >= PLAIN_SECONDS or tick.is_last:
            self._printed = now
            self.console.print(self._line(tick, state, rate), highlight=False, soft_wrap=True)

    def _table(self, tick: Tick, rate: float) -> Table:
        table = Table.grid(padding=(0, 2))
        values = tick.values
        for name in ("discriminator", "generator"):
            key = f"loss/{name}"
            if key in values:
                goal = self.equilibrium.get(key)
                told = f"[dim]equilibrium {goal:.3f}[/]" if goal is not None else ""
                table.add_row(f"{name} loss", f"[bold]{values[key]:.3f}[/]", told)
        if "accuracy/real" in values:
            right = f"{values['accuracy/real']:.0%} real, {values['accuracy/fake']:.0%} fake"
            table.add_row("D is right on", f"[bold]{right}[/]", "[dim]healthy 60-80%[/]")
        table.add_row("speed", f"[bold]{rate:,.0f}[/] samples/s", "")
        for key, value in self.scores.items():
            table.add_row(key.removeprefix("metric/"), f"[bold]{value:.4g}[/]", "[dim]select[/]")
        return table

    def _line(self, tick: Tick, state: State, rate: float) -> str:
        samples, began = self._first
        done = max(tick.samples_seen - samples, 1)
        ahead = state.recipe.steps * state.recipe.batch_size - tick.samples_seen
        left = (time.perf_counter() - began) * ahead / done
        parts = [f"step {tick.step}/{state.recipe.steps}", f"{left:.0f} s left", f"{rate:,.0f}/s"]
        for key, short in (("loss/discriminator", "D"), ("loss/generator", "G")):
            if key in tick.values:
                goal = self.equilibrium.get(key)
                around = f" (eq. {goal:.3f})" if goal is not None else ""
                parts.append(f"{short} {tick.values[key]:.3f}{around}")
        if "accuracy/real" in tick.values:
            real, fake = tick.values["accuracy/real"], tick.values["accuracy/fake"]
            parts.append(f"D right {real:.0%}/{fake:.0%}")
        parts += [f"{key.removeprefix('metric/')} {v:.4g}" for key, v in self.scores.items()]
        return " · ".join(parts)
