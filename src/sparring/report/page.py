"""The report: one self-contained page made from what a run folder holds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from sparring.data import Dataset
from sparring.games import Game
from sparring.report.curves import Mark, curves_figure, figure_png, figure_svg, metric_title
from sparring.report.embed import Snapshot, embed, film, snapshots
from sparring.report.evolution import evenly, write_gif
from sparring.report.fight import fight_figure, histogram_figure, marks_of
from sparring.report.gallery import gallery
from sparring.report.pictures import save_png
from sparring.report.scene import Scene, read_scene
from sparring.run import RunFolder, open_run, write_text

Record = dict[str, Any]

# What other real samples would score, which is the most that can be hoped for.
IDEAL = dict.fromkeys(("fid", "kid", "wasserstein"), "near 0") | dict.fromkeys(
    ("precision", "recall", "density", "coverage"), "near 1"
)
IDEAL |= {"two-sample": "½", "memorization": "½ (copies: 1)"}

PROVENANCE = ("features", "layer", "resize", "samples_real", "samples_fake", "split", "seed")

ON_PAPER = 6  # frames of the slider, which paper has none of
WIDE, NARROW = 9.0, 4.3  # inches of the curves on a screen and on a telephone


def write_report(folder: Path, dataset: Dataset | None = None, game: Game | None = None) -> Path:
    """Write report.html, pictures/ and evolution.gif into a run folder; returns the page's path.

    dataset, game: those of the run where they are at hand; else both are made again from the
    recipe and the checkpoint. Only recipe.yaml has to be there, InputError if it is not; what
    cannot be read is left out, and the page says so.
    """
    import jinja2

    run = open_run(folder)
    notes: list[str] = []
    scene = read_scene(run, notes, dataset, game)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sparring.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "words": words, "title": metric_title}
    page = environment.get_template("report.html.j2").render(_contents(run, scene, notes))
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


def _contents(run: RunFolder, scene: Scene | None, notes: list[str]) -> Record:
    """Everything the template shows."""
    name = run.path.resolve().name
    recipe_text = run.recipe.read_text(encoding="utf-8", errors="replace")
    recipe = _parsed(recipe_text, notes)
    history = _history(run.history, notes)
    summary = _json(run.summary, notes)
    measured = _json(run.metrics, notes)
    referee = _json(run.findings, notes)
    findings = referee.get("findings") or summary.get("findings") or []
    marks = marks_of(findings, history)
    best = _best(summary, measured)
    shots = snapshots(run.samples)
    write_gif([shot.path for shot in shots], run.evolution)
    data = recipe.get("data")
    return {
        "recipe_name": summary.get("recipe") or recipe.get("name") or name,
        "data_name": summary.get("data") or (data.get("name") if isinstance(data, dict) else data),
        "dataset": summary.get("dataset") or {},
        "folder_name": name,
        "verdict": str(referee.get("verdict") or summary.get("verdict") or "unknown"),
        "findings": findings,
        "told": summary.get("notes") or [],
        "facts": _facts(summary, history, best),
        "best": best,
        "measured_step": measured.get("step"),
        "metrics": measured.get("metrics") or {},
        "ideal": IDEAL,
        "provenance": _provenance(measured.get("metrics") or {}),
        "pictured": scene.step if scene else None,
        "pictures": _gallery(run, scene, shots),
        "frames": (frames := film(shots, notes)),
        "printed": evenly(range(len(frames)), ON_PAPER),
        "curves": _curves(run, history, summary.get("equilibrium") or {}, marks),
        "marked": bool(marks),
        "fight": _fight(run, history, marks),
        "recipe_text": recipe_text,
        "notes": notes,
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


def _provenance(metrics: Record) -> str:
    """The provenance that all metrics share, as a sentence; empty where they differ in it."""
    records = [record for record in metrics.values() if isinstance(record, Mapping)]
    known = [tuple(words(record.get(key)) for key in PROVENANCE) for record in records]
    if not known or any(each != known[0] for each in known):
        return ""
    features, layer, resize, real, fake, split, seed = known[0]
    return (
        f"All on features {features}, {layer}; resize: {resize}; {real} real samples of split "
        f"{split} against {fake} generated ones from seed {seed.replace(',', '')}."
    )


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


def _gallery(run: RunFolder, scene: Scene | None, shots: list[Snapshot]) -> list[Record]:
    """The pictures of a scene, also as files; without a scene the latest snapshot."""
    if scene is None:
        latest = film(shots[-1:], [])
        alt = "The latest samples"
        return [{"shown": None, "image": image, "svg": None, "alt": alt} for image in latest]
    records: list[Record] = []
    for shown in gallery(scene):
        path, drawing = run.pictures / f"{shown.name}.png", shown.drawing
        record: Record = {"shown": shown, "image": None, "svg": None, "alt": shown.alt}
        if isinstance(drawing, Image.Image):
            save_png(drawing, path)
            record["image"] = embed(drawing)
        else:
            figure_png(drawing, path)
            record["svg"] = _markup(figure_svg(drawing, shown.alt))
        records.append(record)
    return records


def _curves(
    run: RunFolder, history: list[Record], equilibrium: dict[str, float], marks: list[Mark]
) -> list[tuple[str, Any]]:
    """The curves for a wide and for a narrow page as SVG, none if there is nothing to draw."""
    label = "Training curves over samples seen"
    wide, narrow = (curves_figure(history, equilibrium, width, marks) for width in (WIDE, NARROW))
    if not wide.axes:
        return []
    figure_png(wide, run.pictures / "curves.png", dpi=140)
    return [(n, _markup(figure_svg(f, label))) for n, f in (("wide", wide), ("narrow", narrow))]


def _fight(run: RunFolder, history: list[Record], marks: list[Mark]) -> list[tuple[str, Any]]:
    """What the referee saw, likewise: curves, and the histogram of what is generated."""
    label = "What the referee saw over samples seen"
    wide = fight_figure(history, WIDE, marks)
    if not wide.axes:
        return []
    figure_png(wide, run.pictures / "referee.png", dpi=140)
    narrow = fight_figure(history, NARROW, marks)
    shown = [("wide", figure_svg(wide, label)), ("narrow", figure_svg(narrow, label))]
    for name, width in (("wide", WIDE), ("narrow", NARROW)):
        figure = histogram_figure(history, width)
        if figure is not None:
            shown.append((name, figure_svg(figure, "Generated samples by kind")))
    return [(name, _markup(svg)) for name, svg in shown]


def _markup(svg: str) -> Any:
    """An SVG that the template takes as it is."""
    from markupsafe import Markup

    return Markup(svg)
