"""`sparring data audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sparring.cli.common import Json, data, say


@data.command("audit")
def audit_data(
    source: Annotated[str, typer.Argument(metavar="DATA", help="A name or a path.")],
    fix: Annotated[Path | None, typer.Option(help="Write a copy without them there.")] = None,
    as_json: Json = False,
) -> None:
    """Look for corrupt, tiny, blank, blurred and duplicate images, and for rare classes."""
    from sparring import api

    answer = api.audit(source, fix)
    say(answer, as_json, lambda: print("\n".join(told(answer))))


def told(answer: dict[str, Any]) -> list[str]:
    """An audit in words, a line for each kind of problem and for each example."""
    shape = "x".join(map(str, answer["shape"]))
    classes = f" in {len(answer['classes'])} classes" if answer["classes"] else ""
    lines = [f"{answer['samples']:,} samples of {shape}{classes}"]
    for problem in answer["problems"]:
        lines.append(f"{problem['code']}: {problem['count']:,}")
        lines += [f"    {example}" for example in problem["examples"]]
    if not answer["problems"]:
        lines.append("no problems found")
    if fixed := answer.get("fixed"):
        lines.append(f"{fixed['path']}: a copy with {fixed['samples']:,} samples")
    return lines
