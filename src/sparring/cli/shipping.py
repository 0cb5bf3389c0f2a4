"""`sparring export` and `serve`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sparring.cli.common import Json, app, say


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A run or a model folder.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx")],
    uint8: Annotated[bool, typer.Option("--uint8", help="Images in bytes.")] = False,
    truncation: Annotated[
        bool, typer.Option("--truncation", help="An input that latents are scaled by.")
    ] = False,
    quantize: Annotated[str | None, typer.Option(help="int8 or fp16; its cost is told.")] = None,
    as_json: Json = False,
) -> None:
    """Write the generator as ONNX, checked against PyTorch."""
    from sparring import api
    from sparring.quantize import told

    answer = api.export(run, file, uint8=uint8, truncation=truncation, quantize=quantize)

    def tell() -> None:
        batches = ", ".join(map(str, answer["batches_checked"]))
        error = answer["max_abs_error"]
        print(f"{answer['path']}: within {error:.2g} of PyTorch at batches of {batches}")
        for line in told(answer.get("quantization")):
            print(line)

    say(answer, as_json, tell)


@app.command()
def serve(
    whats: Annotated[
        list[str], typer.Argument(metavar="WHAT...", help="Runs, models, .onnx; or NAME=PATH.")
    ],
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any that is free.")] = 8000,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes at that port.", show_default="one a core, up to 4"),
    ] = None,
    moderation: Annotated[
        str, typer.Option(metavar="MODULE:ATTRIBUTE", help="Sees each image before it leaves.")
    ] = "",
    memory_cache: Annotated[int, typer.Option(help="Megabytes a process; 0: none.")] = 64,
    disk_cache: Annotated[int, typer.Option(help="Megabytes in all; 0: none.")] = 0,
    rate: Annotated[float, typer.Option(help="Samples a second and client; 0: any.")] = 0,
    provider: Annotated[
        str, typer.Option(help="Of ONNX Runtime, for GPUs.")
    ] = "CPUExecutionProvider",
    as_json: Json = False,
) -> None:
    """Serve generators over HTTP, with a page to explore them; SPARRING_TOKEN closes it."""
    from sparring.serving.process import serve as run
    from sparring.serving.settings import MEGABYTE, Settings, usual_workers

    settings = Settings(
        host=host,
        port=port,
        workers=usual_workers(provider) if workers is None else workers,
        token=os.environ.get("SPARRING_TOKEN", ""),
        moderation=moderation,
        memory_cache=memory_cache * MEGABYTE,
        disk_cache=disk_cache * MEGABYTE,
        rate=rate,
        provider=provider,
    )

    def started(address: str, models: list[str]) -> None:
        words = f"{', '.join(models)}\n{address} (Ctrl-C ends it)"
        say({"address": address, "models": models}, as_json, lambda: print(words))
        sys.stdout.flush()

    run(whats, settings, started)
