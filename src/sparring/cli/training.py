"""`sparring train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sparring.cli.common import Json, app, say
from sparring.errors import InputError
from sparring.launch import several

# What of a summary is for the report alone.
OF_REPORT = ("equilibrium", "dataset", "notes", "evaluation_seconds")


@app.command()
def train(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RECIPE] [KEY=VALUE]...", help="A name or YAML file; overrides."),
    ] = None,
    data: Annotated[str | None, typer.Option(help="Data set: a name or a path.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder [runs/RECIPE-NNN].")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    init: Annotated[Path | None, typer.Option(help="Start from this run's weights.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Train so many, seed by seed.")] = None,
    time: Annotated[float | None, typer.Option(help="Stop after so many seconds.", min=0)] = None,
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="Resume under a changed recipe.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a GAN; without a recipe: digits."""
    recipe, overrides = _split(words or [])
    from sparring import api

    how: dict[str, Any] = {
        "resume": resume,
        "init": init,
        "time_limit": time,
        "allow_changes": allow_changes,
    }
    if seeds is not None and several():
        raise InputError(
            "--seeds trains one run after the other, torchrun one run by all processes",
            "leave one of them out",
        )
    if seeds is None:
        summary = api.train(recipe, data, out, overrides, **how).summary
    else:
        from sparring.repeats import train_seeds

        summary = train_seeds(seeds, recipe, data, out, overrides, **how)
    told = {key: value for key, value in summary.items() if key not in OF_REPORT}

    def tell() -> None:
        for one in summary.get("runs", [summary]):
            scores = ", ".join(f"{k} {v['value']:.4g}" for k, v in one["best"]["metrics"].items())
            print(
                f"{one['steps']:,} steps in {one['seconds']:.0f} s; best at step "
                f"{one['best']['step']:,}: {scores or 'not scored'} (test split)\n"
                f"{Path(one['run'], 'report.html')}\n{Path(one['run'], 'model')}"
            )

    say(told, as_json, tell)


def _split(words: list[str]) -> tuple[str | None, list[str]]:
    """The recipe, if the first word is one, and the overrides."""
    if words and "=" not in words[0]:
        return words[0], words[1:]
    return None, words
