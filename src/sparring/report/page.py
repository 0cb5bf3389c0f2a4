"""The report: one self-contained page made from what a run folder holds."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from sparring.report.curves import curves_figure, figure_svg, metric_title
from sparring.report.evolution import evenly
from sparring.run import RunFolder, open_run, write_text

Record = dict[str, Any]

MOST_SNAPSHOTS = 40
SNAPSHOTS_BYTES, PICTURE_BYTES = 1_500_000, 150_000  # all of the slider; one picture above it
SHRINKING = [(1_000, 85), (640, 70), (480, 50), (320, 30)]  # widest pixels and WebP quality
WIDE, NARROW = 9.0, 4.3  # inches of the curves on a screen and on a telephone


@dataclass(frozen=True)
class Snapshot:
    """A picture of samples in the run folder, and the step it was taken at."""

    step: int
    path: Path


@dataclass(frozen=True)
class Picture:
    """A snapshot ready for the page: a data URI and its size in pixels."""

    step: int
    uri: str
    width: int
    height: int


def write_report(folder: Path) -> Path:
    """Write report.html into a run folder and return its path.

    Only recipe.yaml has to be there, InputError if it is not; what cannot be read is left out,
    and the page says so.
    """
    import jinja2

    run = open_run(folder)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sparring.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "words": words, "title": metric_title}
    page = environment.get_template("report.html.j2").render(_contents(run))
    write_text(run.report, page)
    return run.report


def number(value: Any) -> str:
    """A number for people: three digits that matter, thousands separated."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "\u2013" if value is None else str(value)
    if not math.isfinite(value):
        return "not finite"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def duration(seconds: float | None) -> str:
    """Seconds in words: 58 s, 1 min 43 s, 2 h 05 min."""
    if seconds is None or not math.isfinite(seconds):
        return "\u2013"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.3g} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def words(value: Any) -> str:
    """Whatever a record holds as a line of text: {"a": 1} becomes a: 1."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {words(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(words(item) for item in value)
    return number(value)


def _contents(run: RunFolder) -> Record:
    """Everything the template shows."""
    name, notes = run.path.resolve().name, list[str]()
    recipe_text = run.recipe.read_text(encoding="utf-8", errors="replace")
    recipe = _parsed(recipe_text, notes)
    history = _history(run.history, notes)
    summary = _json(run.summary, notes)
    measured = _json(run.metrics, notes)
    referee = _json(run.findings, notes)
    best = _best(summary, measured)
    pictures = _pictures(run.samples, best, notes)
    data = recipe.get("data")
    return {
        "recipe_name": summary.get("recipe") or recipe.get("name") or name,
        "data_name": summary.get("data") or (data.get("name") if isinstance(data, dict) else data),
        "dataset": summary.get("dataset") or {},
        "folder_name": name,
        "verdict": str(referee.get("verdict") or summary.get("verdict") or "unknown"),
        "findings": referee.get("findings") or summary.get("findings") or [],
        "facts": _facts(summary, history, best),
        "best": best,
        "measured_step": measured.get("step"),
        "metrics": measured.get("metrics") or {},
        "curves": _curves(history, summary.get("equilibrium") or {}),
        "recipe_text": recipe_text,
        "notes": notes,
        **pictures,
    }


def _parsed(text: str, notes: list[str]) -> Record:
    """The recipe as a mapping, empty if the file is no YAML mapping."""
    try:
        recipe = yaml.safe_load(text)
    except yaml.YAMLError:
        recipe = None
    if not isinstance(recipe, dict):
        notes.append("recipe.yaml is not a YAML mapping; it is shown as it is.")
        return {}
    return recipe


def _json(path: Path, notes: list[str]) -> Record:
    """A JSON object, empty if the file is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        notes.append(f"{path.name} is not a JSON object; it was left out.")
        return {}
    return content


def _history(path: Path, notes: list[str]) -> list[Record]:
    """The ticks of a history; damaged lines, as a killed process leaves them, are skipped."""
    if not path.is_file():
        return []
    ticks, damaged = [], 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            tick = json.loads(line)
        except ValueError:
            tick = None
        if isinstance(tick, dict):
            ticks.append(tick)
        elif line.strip():
            damaged += 1
    if damaged:
        notes.append(f"history.jsonl: lines that could not be read and were skipped: {damaged}.")
    return ticks


def _best(summary: Record, measured: Record) -> Record:
    """The best checkpoint: its step and the plain values of its metrics."""
    best = summary.get("best") or measured
    metrics = best.get("metrics") or {}
    values = {k: v.get("value") if isinstance(v, dict) else v for k, v in metrics.items()}
    return {"step": best.get("step"), "metrics": values}


def _facts(summary: Record, history: list[Record], best: Record) -> list[tuple[str, str, str]]:
    """The numbers of the headline: what, how much, and a remark."""
    known = (history[-1] if history else {}) | summary
    seconds, samples = known.get("seconds"), known.get("samples_seen")
    steps, speed = known.get("steps", known.get("step")), known.get("samples_per_second")
    if speed is None and seconds and samples:
        speed = samples / seconds
    facts = []
    if seconds is not None:
        remark = f"{number(round(speed) if speed >= 10 else speed)} samples/s" if speed else ""
        facts.append(("Training time", duration(seconds), remark))
    if samples is not None:
        facts.append(("Samples seen", number(samples), f"{number(steps)} steps" if steps else ""))
    for name, value in list(best["metrics"].items())[:1]:
        facts.append(
            (f"Best {metric_title(name)}", number(value), f"at step {number(best['step'])}")
        )
    return facts


def _pictures(folder: Path, best: Record, notes: list[str]) -> Record:
    """The latest and the best snapshot, and those of the slider."""
    shots = [Snapshot(int(p.stem), p) for p in folder.glob("*.png") if p.stem.isdecimal()]
    shots.sort(key=lambda shot: shot.step)
    shown = evenly(shots, MOST_SNAPSHOTS)
    frames = [_embedded(shot, SNAPSHOTS_BYTES // len(shown)) for shot in shown]
    if None in frames:
        notes.append(f"snapshots that could not be read and were left out: {frames.count(None)}.")
    readable = [shot for shot, frame in zip(shown, frames, strict=True) if frame]
    latest = _embedded(readable[-1], PICTURE_BYTES) if readable else None
    nearest = None
    if shots and isinstance(best["step"], int):
        shot = min(shots, key=lambda shot: abs(shot.step - best["step"]))
        nearest = _embedded(shot, PICTURE_BYTES)
    return {"latest": latest, "nearest": nearest, "frames": [frame for frame in frames if frame]}


def _embedded(shot: Snapshot, budget: int) -> Picture | None:
    """A snapshot as a data URI within a budget of bytes; None if it is no readable picture."""
    try:
        content, kind = shot.path.read_bytes(), "png"
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            for widest, quality in SHRINKING:
                if len(content) <= budget:
                    break
                smaller = _webp(image, widest, quality)
                if len(smaller) < len(content):  # noise as a PNG can be hard to beat
                    content, kind = smaller, "webp"
            width, height = image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    uri = f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
    return Picture(shot.step, uri, width, height)


def _webp(image: Image.Image, widest: int, quality: int) -> bytes:
    """An image as WebP, at most `widest` pixels wide."""
    smaller = image.convert("RGB")
    smaller.thumbnail((widest, 10 * widest), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    smaller.save(buffer, format="WEBP", quality=quality, method=2)
    return buffer.getvalue()


def _curves(history: list[Record], equilibrium: dict[str, float]) -> list[tuple[str, Any]]:
    """The curves for a wide and for a narrow page as SVG, none if there is nothing to draw."""
    from markupsafe import Markup

    figures = [
        (n, curves_figure(history, equilibrium, w)) for n, w in (("wide", WIDE), ("narrow", NARROW))
    ]
    label = "Training curves over samples seen"
    return [(name, Markup(figure_svg(f, label))) for name, f in figures if f.axes]
