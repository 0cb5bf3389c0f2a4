"""`sparring diagnose`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sparring.cli.common import Json, app, say


@app.command()
def diagnose(
    run: Annotated[Path | None, typer.Argument(help="A run, finished or not.")] = None,
    history: Annotated[
        Path | None, typer.Option(help="Losses of another program: .jsonl or .csv.")
    ] = None,
    samples: Annotated[
        Path | None, typer.Option(help="Samples of another program: a folder or npz.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="What samples should look like.")] = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with a run, or with another program's losses and samples."""
    from sparring import api

    answer = api.diagnose(run, history=history, samples=samples, data=data)

    def tell() -> None:
        print(answer["verdict"])
        for one in answer["findings"]:
            over = ", resolved" if one["resolved"] else ""
            print(f"{one['severity']}: {one['code']} from step {one['step']:,} on{over}")
            print(f"    {one['evidence']}\n    {one['advice']}")

    say(answer, as_json, tell)
