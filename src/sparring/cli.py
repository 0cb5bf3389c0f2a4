"""The command line: a thin layer over the API."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sparring.errors import InputError, SparringError
from sparring.launch import leads, several
from sparring.run import disk_full, is_full
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

Features = Annotated[
    str | None, typer.Option(help="What is compared: inception, pixels, ... [auto].")
]
Weights = Annotated[
    Path | None, typer.Option(help="File of the features' network, where there is no network.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")]
# What of a summary is for the report alone.
OF_REPORT = ("equilibrium", "dataset", "notes", "evaluation_seconds")
# Of several processes the first says what ends the run: what all meet, and what one alone may.
OF_ALL, OF_ANY = ("interrupted", "stopped", "elsewhere"), ("input", "disk")
SECONDS_FOR_THE_FIRST = 15  # after which it does not seem to have met the same error
stderr = Console(stderr=True, highlight=False)
# Newer versions of Typer carry a copy of click, whose exceptions are not those of the package.
ClickException: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def main() -> None:
    """Run the command; an expected error is a message and an exit code, never a traceback."""
    as_json = "--json" in sys.argv[1:]
    try:
        code = app(standalone_mode=False)
    except typer.Exit as stop:
        code = stop.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = _fail({"code": "interrupted", "message": "interrupted", "hint": ""}, 130, as_json)
    except ClickException as error:
        record = {"code": "input", "message": error.format_message(), "hint": "see --help"}
        code = _fail(record, 2, as_json)
    except SparringError as error:
        code = _fail(error.record(), error.exit_code, as_json)
    except OSError as error:
        problem = disk_full(Path(error.filename or ".")) if is_full(error) else None
        told = problem or SparringError(str(error), "check the disk and the path")
        code = _fail(told.record(), 1, as_json)
    except Exception as error:
        code = _fail(_unexpected(error), 1, as_json)
    status = code if isinstance(code, int) else 0
    if several():
        # Threads of the processes' connections may outlive the interpreter, which then aborts.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _unexpected(error: Exception) -> dict[str, str]:
    """What memory could not hold, or a mistake: of this program, or of the user's own networks."""
    message = f"{type(error).__name__}: {error}"
    scarce = ("out of memory", "allocate memory", "not enough memory")
    if isinstance(error, MemoryError) or any(words in str(error) for words in scarce):
        hint = "lower batch_size, or set micro_batch; lower generator.width, discriminator.width"
        return {"code": "memory", "message": f"out of memory: {message}", "hint": hint}
    traceback.print_exception(error)
    hint = "if it is not in code of your own, please report it with the lines above"
    return {"code": "failed", "message": f"unexpected {message}", "hint": hint}


def _fail(record: dict[str, str], code: int, as_json: bool) -> int:
    speaker = ""
    if not leads() and record["code"] in (*OF_ALL, *OF_ANY):
        # torchrun ends all processes when one has ended: the first must have spoken by then.
        try:
            time.sleep(SECONDS_FOR_THE_FIRST)
        except KeyboardInterrupt:
            return code
        if record["code"] in OF_ALL:
            return code
        speaker = f"process {os.environ['RANK']}: "
    hint = f"\n{record['hint']}" if record["hint"] else ""
    stderr.print(f"{speaker}{record['message']}{hint}", markup=False, soft_wrap=True)
    if as_json and leads():
        print(json.dumps({"error": record}))
    return code


def _answer(value: Any, as_json: bool, tell: Callable[[], None]) -> None:
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

    _answer(told, as_json, tell)


def _split(words: list[str]) -> tuple[str | None, list[str]]:
    """The recipe, if the first word is one, and the overrides."""
    if words and "=" not in words[0]:
        return words[0], words[1:]
    return None, words


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
    _answer(answer, as_json, lambda: print(told))


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
    _answer(answer, as_json, lambda: print(told))


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

    _answer({"metrics": records}, as_json, tell)


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
    _answer(answer, as_json, lambda: print(told(answer)))


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

    _answer(answer, as_json, tell)


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
        _answer({"address": address, "models": models}, as_json, lambda: print(words))
        sys.stdout.flush()

    run(whats, settings, started)


@app.command()
def report(run: Annotated[Path, typer.Argument()], as_json: Json = False) -> None:
    """Rebuild report.html and the pictures of a run."""
    from sparring.report import write_report

    path = write_report(run)
    _answer({"path": str(path)}, as_json, lambda: print(path))


@recipes.command("list")
def list_recipes(as_json: Json = False) -> None:
    """Name, title, source and data of each."""
    from sparring.recipes import load_recipe, recipe_names

    loaded = [load_recipe(name) for name in recipe_names()]
    rows = [
        {"name": r.name, "title": r.title, "source": r.source, "data": r.data.name} for r in loaded
    ]
    _answer(rows, as_json, lambda: print("\n".join(f"{r['name']:18}{r['title']}" for r in rows)))


@recipes.command("show")
def show_recipe(name: str, as_json: Json = False) -> None:
    """A recipe, complete."""
    from sparring.recipes import load_recipe

    recipe = load_recipe(name)
    _answer(recipe.model_dump(mode="json"), as_json, lambda: print(recipe.dump(), end=""))


@recipes.command("copy")
def copy_recipe(name: str, file: Path, as_json: Json = False) -> None:
    """Write a recipe to a file of one's own."""
    from sparring.recipes import recipe_text
    from sparring.run import write_text

    if file.exists():
        raise InputError(f"`{file}` exists already", "choose another name")
    if file.suffix not in (".yaml", ".yml"):
        raise InputError(f"`{file}` does not end in .yaml", "a recipe file does")
    write_text(file, recipe_text(name))
    _answer({"path": str(file)}, as_json, lambda: print(file))


@data.command("list")
def list_data(as_json: Json = False) -> None:
    """The data sets known by name."""
    from sparring.data import data_names

    names = data_names()
    more = "or a folder of images, a .zip of them, a .npz, a packed .safetensors"
    _answer(names, as_json, lambda: print("\n".join([*names, more])))


@data.command("pack")
def pack_data(
    source: Annotated[str, typer.Argument(metavar="DATA", help="A name or a path.")],
    file: Annotated[Path, typer.Argument(help="Ends in .safetensors.")],
    size: Annotated[int | None, typer.Option(help="Pixels a side.", min=1)] = None,
    channels: Annotated[int | None, typer.Option(help="1 or 3.", min=1, max=3)] = None,
    background: Annotated[str, typer.Option(help="Behind transparent pixels.")] = "white",
    as_json: Json = False,
) -> None:
    """Put a data set into one memory-mapped file, to train from or to carry elsewhere."""
    from sparring import api

    answer = api.pack(source, file, size, channels, background)

    def tell() -> None:
        shape = "x".join(map(str, answer["shape"]))
        print(f"{answer['path']}: {answer['samples']:,} samples of {shape}")

    _answer(answer, as_json, tell)


if __name__ == "__main__":
    main()
