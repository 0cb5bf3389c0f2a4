"""What the commands share: the programs they belong to, options, how they answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from sparring.launch import leads
from sparring.version import __version__

app = typer.Typer(
    help="Train, watch, measure and ship generative adversarial networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
recipes = typer.Typer(help="The named recipes.", no_args_is_help=True)
data = typer.Typer(help="Data sources.", no_args_is_help=True)
app.add_typer(recipes, name="recipes")
app.add_typer(data, name="data")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")]


def say(value: Any, as_json: bool, tell: Callable[[], None]) -> None:
    """The value on stdout, as JSON or in words."""
    if not leads():
        return
    if as_json:
        print(json.dumps(value))
    else:
        tell()


def _version(asked: bool) -> None:
    if asked:
        print(f"sparring {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    """Train, watch, measure and ship generative adversarial networks."""
