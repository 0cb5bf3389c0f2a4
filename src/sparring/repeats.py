"""Several trainings of one recipe that differ in their seed alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparring import api
from sparring.errors import InputError
from sparring.recipes import load_recipe
from sparring.run import RunFolder, next_free
from sparring.scoring import better
from sparring.starting import Overrides, tell

MOST_SEEDS = 1000
SUMMED = ("seconds", "evaluation_seconds", "steps", "samples_seen")


def train_seeds(
    count: int,
    recipe: str | Path | None = None,
    data: str | None = None,
    out: str | Path | None = None,
    overrides: Overrides = (),
    *,
    resume: bool = False,
    **others: Any,
) -> dict[str, Any]:
    """Train `count` runs, with seed, seed + 1, ..., in subfolders seed-K of one folder.

    `resume` leaves finished runs as they are and goes on with the others; `others` are those of
    `train`. Returns the summary of the best run, with the sums of all and every run's own.
    """
    if not 1 <= count <= MOST_SEEDS:
        raise InputError(f"--seeds {count} is out of range", f"choose from 1 to {MOST_SEEDS}")
    if resume and out is None:
        raise InputError("--resume needs to know which runs", "name their folder with --out")
    folder = Path(out or next_free(Path(recipe or "digits").stem))
    if RunFolder(folder).exists:
        raise InputError(f"`{folder}` holds a single run", "choose another --out for several seeds")
    first = load_recipe(recipe or "digits", overrides).seed
    summaries = []
    for seed in range(first, first + count):
        part = RunFolder(folder / f"seed-{seed}")
        if not (resume and part.summary.is_file()):
            tell(f"seed {seed} ({seed - first + 1} of {count})")
            changed = _with_seed(overrides, seed)
            api.train(recipe, data, part.path, changed, resume=resume and part.exists, **others)
        summaries.append(api.Run(part).summary)
    return _together(folder, summaries)


def _with_seed(overrides: Overrides, seed: int) -> Overrides:
    if isinstance(overrides, Mapping):
        return dict(overrides) | {"seed": seed}
    return [*overrides, f"seed={seed}"]


def _together(folder: Path, summaries: list[dict[str, Any]]) -> dict[str, Any]:
    """The best run's summary with the sums over all."""
    best = summaries[0]
    for summary in summaries[1:]:
        for name, record in list(summary["best"]["metrics"].items())[:1]:
            if better(name, record["value"], best["best"]["metrics"][name]["value"]):
                best = summary
    sums = {key: sum(s[key] for s in summaries) for key in SUMMED}
    rate = round(sums["samples_seen"] / max(sums["seconds"], 1e-9), 1)
    findings = [finding for summary in summaries for finding in summary["findings"]]
    verdicts = {summary["verdict"] for summary in summaries}
    worst = next((v for v in ("unhealthy", "unknown") if v in verdicts), "healthy")
    whole = {"run": str(folder), "samples_per_second": rate, "verdict": worst}
    return best | sums | whole | {"findings": findings, "runs": summaries}
