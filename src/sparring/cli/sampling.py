"""`sparring sample` and `project`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sparring.cli.common import Json, app, say
from sparring.errors import InputError


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(help="A run or a model folder.")],
    out: Annotated[Path, typer.Option(help="x.png: one grid; x.npz: arrays; else a folder.")],
    count: Annotated[int, typer.Option(min=1)] = 64,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    label: Annotated[str | None, typer.Option(help="A class by name or number.")] = None,
    interpolate: Annotated[
        bool, typer.Option("--interpolate", help="Rows that walk between seeds.")
    ] = False,
    given: Annotated[
        Path | None, typer.Option("--input", help="Images for an image-to-image run.")
    ] = None,
    style_mix: Annotated[
        bool, typer.Option("--style-mix", help="Rows' coarse styles with columns' fine ones.")
    ] = False,
    truncation: Annotated[
        float | None, typer.Option(help="0 (the mean) to 1 (as they are) of latents.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Sample a generator; sample i is that of seed + i."""
    from sparring.writing import write_samples, write_style_mix

    if interpolate and style_mix:
        raise InputError("--interpolate and --style-mix are two pictures", "ask for one of them")
    if given is not None:
        from sparring.translating import write_translations

        if label is not None or interpolate or style_mix or truncation is not None:
            raise InputError(
                "--label, --interpolate, --style-mix and --truncation are of latents",
                "leave them out",
            )
        answer = write_translations(run, given, out)
    elif style_mix:
        answer = write_style_mix(run, out, count, seed, label, truncation)
    else:
        answer = write_samples(run, out, count, seed, label, interpolate, truncation)
    kind = "samples" if given is None else "images"
    told = f"{answer['path']}: {answer['count']} {kind} in {answer['seconds']:.2f} s"
    say(answer, as_json, lambda: print(told))


@app.command()
def project(
    run: Annotated[Path, typer.Argument(help="A run or a model folder with styles.")],
    image: Annotated[Path, typer.Argument(help="An image file.")],
    out: Annotated[Path, typer.Option(help="x.png: both images; x.npz beside it: the styles.")],
    as_json: Json = False,
) -> None:
    """Find the styles with which a style generator reproduces an image."""
    from sparring.writing import write_projection

    answer = write_projection(run, image, out)
    told = f"{answer['path']}: {answer['distance']:.1%} from the image, black to white being 100%"
    say(answer, as_json, lambda: print(told))
