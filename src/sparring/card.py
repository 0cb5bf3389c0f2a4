"""The card of a model folder, as model hubs read it: what it makes, from what, how good."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import yaml

from sparring.data import Dataset
from sparring.recipe import Recipe
from sparring.version import __version__

# How hubs call the licences of data that are known by name; others are named in words.
LICENCES = {"CC BY-SA 3.0": "cc-by-sa-3.0", "MIT": "mit", "none stated": "unknown"}
IMAGES, TRANSLATION = "unconditional-image-generation", "image-to-image"


def model_card(
    recipe: Recipe,
    dataset: Dataset,
    step: int,
    metrics: dict[str, dict[str, Any]],
    verdict: str,
    findings: Sequence[dict[str, Any]],
    conditional: bool = False,
) -> str:
    """The card, with what hubs need at its head; `metrics` and `findings` as in their files."""
    kind = "images with values in [-1, 1]" if dataset.is_images else "vectors"
    inputs, labels = f"torch.{_draw(recipe)}(16, {recipe.latent.size})", ""
    given = f"latents [N, {recipe.latent.size}], {recipe.latent.prior}"
    if dataset.source is not None:
        channels, height, width = dataset.source.shape
        inputs = f"2 * torch.rand(1, {channels}, {height}, {width}) - 1"
        given = f"images [N, {channels}, H, W] with values in [-1, 1], of any size"
    if conditional:
        inputs += f", torch.randint({len(dataset.classes)}, (16,))"
        labels = f", and labels [N] of {len(dataset.classes)} classes"
    head = yaml.safe_dump(_head(recipe, dataset, metrics), sort_keys=False, allow_unicode=True)
    return f"""---
{head}---
# {recipe.title or recipe.name}

A generator of {dataset.description or dataset.name}, trained with Sparring {__version__}.

- **Data**: {dataset.name}: {dataset.description}. Licence: {dataset.licence or "not known"}.
- **Recipe**: `{recipe.name}` (source: {recipe.source or "not given"}), seed {recipe.seed},
  averaged weights after {step:,} of {recipe.steps:,} steps of {recipe.batch_size} samples.
- **Input**: {given}{labels}.
  **Output**: {kind}, shape {list(dataset.shape)}.

## Scores

{_scores(metrics)}

## Findings

{_findings(verdict, findings)}

## Intended use

Learning, experiments and comparison. Mind the licence of the data before samples are passed on.

## Limits

- It makes what its data hold and nothing else, their gaps and biases included, and some of what
  they hold not at all: look at recall and coverage.
- It can come close to single training samples: `sparring evaluate --metrics memorization` tells
  how close.
- The scores hold for these features, this many samples and this data, not for others.

## How to use it

```python
import sparring
import torch

generator = sparring.load("FOLDER")  # this folder, or hf:USER/NAME
samples = generator({inputs})
```
"""


def _draw(recipe: Recipe) -> str:
    return "randn" if recipe.latent.prior == "normal" else "rand"


def _head(recipe: Recipe, dataset: Dataset, metrics: dict[str, dict[str, Any]]) -> dict[str, Any]:
    known = next((of for name, of in LICENCES.items() if dataset.licence.startswith(name)), None)
    head: dict[str, Any] = {"license": known or ("other" if dataset.licence else "unknown")}
    if not known and dataset.licence:
        head["license_name"] = dataset.licence
    head |= {"library_name": "sparring", "tags": ["gan", recipe.name]}
    task = TRANSLATION if dataset.source else IMAGES if dataset.is_images else "other"
    if dataset.is_images:
        head["pipeline_tag"] = task
    finite = {name: each for name, each in metrics.items() if math.isfinite(each["value"])}
    if finite:
        result = {
            "task": {"type": task},
            "dataset": {
                "name": dataset.name,
                "type": dataset.name,
                "split": next(iter(finite.values()))["split"],
            },
            "metrics": [
                {
                    "type": name,
                    "value": each["value"],
                    "name": f"{name} ({each['features']}: {each['layer']})",
                }
                for name, each in finite.items()
            ],
        }
        head["metrics"] = list(finite)
        head["model-index"] = [{"name": recipe.name, "results": [result]}]
    return head


def _scores(metrics: dict[str, dict[str, Any]]) -> str:
    if not metrics:
        return "It was not scored."
    rows = ["| metric | value | features | samples | remarks |", "| --- | --- | --- | --- | --- |"]
    for name, each in metrics.items():
        error = f" ± {each['error']:.2g}" if each["error"] is not None else ""
        rows.append(
            f"| {name} | {each['value']:.5g}{error} | {each['features']} ({each['layer']}), "
            f"resize {each['resize']} | {each['samples_fake']} generated (seed {each['seed']}) "
            f"against {each['samples_real']} of split {each['split']} | "
            f"{'; '.join(each['flags']) or '–'} |"
        )
    return "\n".join(rows)


def _findings(verdict: str, findings: Sequence[dict[str, Any]]) -> str:
    told = [
        f"- {each['severity']} `{each['code']}` at step {each['step']:,}: {each['evidence']}"
        for each in findings
    ]
    return "\n".join([f"The referee's verdict over the training: {verdict}.", *told])
