"""Failures made on purpose: what they look like, what the referee says, the same run mended."""

from __future__ import annotations

import json
from typing import Any

from torch import Tensor

import sparring
from benchmarks import common
from benchmarks.referee.outcome import FIRST_SEED
from benchmarks.referee.settings import BASES, SETTINGS, Setting
from sparring.data import Dataset
from sparring.errors import StoppedByFinding
from sparring.report import samples_picture, save_png
from sparring.run import RunFolder

Row = dict[str, Any]
IMAGES, COLUMNS, POINTS = 40, 10, 1000
# Of each failure one run; what mends it is the setting that it is compared with.
FAILURES: dict[str, str] = {
    "collapse": "mlp/deep-plain",
    "one-class": "digits/one-class",
    "lost-modes": "ring/deaf",
    "strong-discriminator": "digits/d-strong",
    "high-rate": "digits/lr-high",
    "low-rate": "mlp/lr-low",
    "overflow": "digits/overflow",
    "wrong-range": "digits/upper-half",
    "saturated": "digits/saturated",
    "small-batch": "mlp/batch-2",
    "copies": "digits/copies",
    "swapped": "digits/swapped",
    "slow-average": "digits/slow-average",
}


def gallery(quick: bool) -> dict[str, Any]:
    """Every failure by name: its picture, the referee's words, and the mended run's picture."""
    mended: dict[str, Row] = {}
    found = {}
    for name, broken in FAILURES.items():
        reference = SETTINGS[broken].reference
        if reference not in mended:
            picture = f"referee-mended-{SETTINGS[reference].base}"
            mended[reference] = shown(SETTINGS[reference], picture, quick)
        found[name] = shown(SETTINGS[broken], f"referee-{name}", quick)
        found[name] |= {f"mended_{key}": mended[reference][key] for key in ("verdict", "picture")}
        print(name, found[name]["verdict"], found[name]["says"], flush=True)
    return found


def shown(setting: Setting, name: str, quick: bool) -> Row:
    """Train once; the verdict, what the worst finding says, and a picture of samples."""
    keys = {"steps": 40} if quick else {}
    with common.scratch() as folder:
        path: str | None = None
        try:
            run = sparring.train(
                BASES[setting.base].recipe,
                out=folder / "run",
                overrides=setting.overrides(0) | keys,
                **setting.parts(0),
            )
            data = setting.true_data()
            count = IMAGES if data.is_images else POINTS
            path = drawn(run.sample(count, FIRST_SEED), data, name, quick)
        except StoppedByFinding:
            pass  # nothing is left to draw
        said = json.loads(RunFolder(folder / "run").findings.read_text())
    bad = [finding for finding in said["findings"] if finding["severity"] != "info"]
    bad.sort(key=lambda finding: finding["step"] == 0)  # what was known before comes last
    first: Row = bad[0] if bad else {"code": "", "step": 0, "evidence": "", "advice": ""}
    return {
        "setting": setting.name,
        "verdict": said["verdict"],
        "code": first["code"],
        "also": ", ".join(finding["code"] for finding in bad[1:]),
        "since_step": first["step"],
        "says": first["evidence"],
        "advises": first["advice"],
        "picture": path,
    }


def drawn(samples: Tensor, data: Dataset, name: str, quick: bool) -> str:
    if data.is_images:
        return common.save_grid(samples, name, quick, COLUMNS)
    path = (common.QUICK if quick else common.IMAGES) / f"{name}.png"
    save_png(samples_picture(samples, data.split("select")[:POINTS]), path)
    return path.relative_to(common.ROOT.parent).as_posix()
