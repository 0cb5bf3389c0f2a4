"""`sparring evaluate`, `compare` and `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sparring.cli.common import Json, app, say

Features = Annotated[
    str | None, typer.Option(help="What is compared: inception, pixels, ... [auto].")
]
Weights = Annotated[
    Path | None, typer.Option(help="File of the features' network, where there is no network.")
]


@app.command()
def evaluate(
    what: Annotated[Path, typer.Argument(help="A run, an ONNX generator, an npz or a folder.")],
    data: Annotated[str | None, typer.Option(help="Data to compare with.")] = None,
    metrics: Annotated[str, typer.Option(help="Names, comma-separated.")] = "fid,kid",
    samples: Annotated[int, typer.Option(min=2)] = 2000,
    features: Features = None,
    weights: Weights = None,
    as_json: Json = False,
) -> None:
    """Score a generator or samples, with the provenance of every number."""
    from sparring import api

    names = [name.strip() for name in metrics.split(",") if name.strip()]
    records = api.evaluate(what, data, names, samples, features, weights=weights)

    def tell() -> None:
        for name, record in records.items():
            print(
                f"{name} {record['value']:.5g}  [{record['features']}: {record['layer']}; "
                f"{record['samples_fake']} generated, {record['samples_real']} real "
                f"({record['split']})]"
            )
            for flag in record["flags"]:
                print(f"    {flag}")

    say({"metrics": records}, as_json, tell)


@app.command()
def compare(
    whats: Annotated[
        list[Path], typer.Argument(metavar="WHAT WHAT...", help="Runs, .onnx, npz, folders.")
    ],
    data: Annotated[str | None, typer.Option(help="Data to compare with.")] = None,
    metrics: Annotated[str, typer.Option(help="Names, comma-separated.")] = "fid,kid",
    samples: Annotated[int, typer.Option(min=2)] = 2000,
    features: Features = None,
    weights: Weights = None,
    html: Annotated[Path | None, typer.Option(help="Write a page too.")] = None,
    as_json: Json = False,
) -> None:
    """Score things side by side; says which differences exceed chance."""
    from sparring import api
    from sparring.comparison import told

    names = [name.strip() for name in metrics.split(",") if name.strip()]
    how: dict[str, Any] = {"samples": samples, "features": features, "weights": weights}
    answer = api.compare(*whats, data=data, metrics=names, html=html, **how)
    say(answer, as_json, lambda: print(told(answer)))


@app.command()
def report(run: Annotated[Path, typer.Argument()], as_json: Json = False) -> None:
    """Rebuild report.html and the pictures of a run."""
    from sparring.report import write_report

    path = write_report(run)
    say({"path": str(path)}, as_json, lambda: print(path))
