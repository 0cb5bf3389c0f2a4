"""Whether exported files make what PyTorch makes, and what lower precision costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sparring
from benchmarks import common
from benchmarks.serving.servers import digits
from sparring.networks.styles import has_styles
from sparring.recipes import load_recipe, recipe_names

Result = dict[str, Any]
STEPS = 40  # after which weights and running statistics are no longer those of the start
SHORT = {
    "steps": STEPS,
    "batch_size": 16,
    "evaluation.every": 0,
    "evaluation.metrics": [],
    "evaluation.final_metrics": [],
}
IMAGES = ("cyclegan", "pix2pix", "srgan")  # make images of images: they are not exported
# Their own data are fetched from elsewhere.
INSTEAD = {
    "mlp-mnist": {"data.name": "mnist5k"},
    "mlp-cifar10": {"data.name": "mnist5k", "data.channels": 3, "data.size": 32},
}


def export(quick: bool) -> Result:
    """Every recipe's generator after some steps, and the trained digits in lower precision."""
    names = [name for name in recipe_names() if name not in IMAGES]
    rows = [parity(name) for name in (names[:3] if quick else names)]
    worst = max(row["max_abs_error"] for row in rows)
    return {
        "goals": [common.goal("largest difference from PyTorch", worst, 1e-4, at_least=False)],
        "parity": rows,
        "quantized": quantized(digits(quick)),
    }


def parity(name: str) -> Result:
    """How far a recipe's exported generator is from PyTorch's, over all batches that are tried."""
    with common.scratch() as folder:
        changes = SHORT | INSTEAD.get(name, {})
        run = sparring.train(load_recipe(name, changes), out=folder / "run")
        plain = sparring.export(run.path, folder / "plain.onnx")
        row = {
            "recipe": name,
            "max_abs_error": plain["max_abs_error"],
            "batches": plain["batches_checked"],
            "kilobytes": round((folder / "plain.onnx").stat().st_size / 1000),
        }
        if has_styles(sparring.load(run.path)):
            other = sparring.export(run.path, folder / "cut.onnx", truncation=True)
            row["max_abs_error"] = max(row["max_abs_error"], other["max_abs_error"])
        return row


def quantized(run: Path) -> list[Result]:
    """What int8 and fp16 cost in distance and bring in speed, from the same latents."""
    rows = []
    with common.scratch() as folder:
        for kind in ("int8", "fp16"):
            told = sparring.export(run, folder / f"{kind}.onnx", quantize=kind)["quantization"]
            rows += [
                {
                    "precision": kind,
                    "fid_before": told["distance"]["fid"]["before"],
                    "fid_after": told["distance"]["fid"]["after"],
                    "speed_over_fp32": told["speed"],
                    "size_over_fp32": told["bytes"] / told["bytes_fp32"],
                }
            ]
    return rows
