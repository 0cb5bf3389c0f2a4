"""The model folder: the generator that ships, with its description and card."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from sparring.data import Dataset
from sparring.errors import InputError
from sparring.games import Prior
from sparring.networks import build_generator
from sparring.recipe import Latent, Network, Recipe
from sparring.run import write_bytes, write_json, write_text
from sparring.version import __version__

SHOWN = 20  # class names in a message
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"


def write_model(
    folder: Path,
    tensors: dict[str, Tensor],
    recipe: Recipe,
    dataset: Dataset,
    step: int,
    metrics: dict[str, dict[str, Any]],
    class_counts: Sequence[int] = (),
) -> None:
    """Write config.json, model.safetensors and the card of an averaged generator."""
    config = {
        "format": 1,
        "sparring": __version__,
        "recipe": recipe.name,
        "generator": recipe.generator.model_dump(mode="json"),
        "latent": recipe.latent.model_dump(mode="json"),
        "shape": list(dataset.shape),
        "images": dataset.is_images,
        # Of a conditional generator, by label: what it is called, and how often it occurs.
        "classes": list(dataset.classes) if class_counts else [],
        "class_counts": list(class_counts),
        "data": {"name": dataset.name, "licence": dataset.licence},
        "step": step,
        "metrics": metrics,
    }
    write_bytes(folder / WEIGHTS, save({key: t.contiguous() for key, t in tensors.items()}))
    write_json(folder / CONFIG, config)
    write_text(folder / CARD, model_card(recipe, dataset, step, metrics, bool(class_counts)))


class Model:
    """A generator read from a model folder, and what is needed to sample it."""

    def __init__(self, generator: nn.Module, config: dict[str, Any]) -> None:
        self.generator = generator
        self.config = config
        latent = Latent.model_validate(config["latent"])
        self.prior = Prior(latent, config.get("class_counts", ()))
        self.classes: tuple[str, ...] = tuple(config.get("classes", ()))
        self.shape = tuple(config["shape"])
        self.is_images: bool = config["images"]

    def label(self, name: str) -> int:
        """The label of a class by its name or number; InputError if there is none."""
        if not self.prior.classes:
            raise InputError("this generator knows no classes", "leave --label out")
        counts = self.prior.class_counts
        known = [one for one, count in zip(self.classes, counts, strict=True) if count]
        names = ", ".join(known[:SHOWN]) + (", …" if len(known) > SHOWN else "")
        if name in self.classes:
            number = self.classes.index(name)
        elif name.isascii() and name.isdecimal() and int(name) < self.prior.classes:
            number = int(name)
        else:
            raise InputError(f"there is no class `{name}`", f"choose one of: {names}")
        if not counts[number]:
            raise InputError(
                f"there was no training sample of class `{name}`", f"choose one of: {names}"
            )
        return number


def is_model(folder: Path) -> bool:
    """Whether a folder holds what a model has, whole or not."""
    return any((folder / name).is_file() for name in (CONFIG, WEIGHTS))


def read_model(folder: Path, make: Callable[..., nn.Module] | None = None) -> Model:
    """The generator of a model folder in eval mode; `make` is the constructor of one's own."""
    try:
        config = json.loads((folder / CONFIG).read_text())
        tensors = load_file(folder / WEIGHTS)
        network = Network.model_validate(config["generator"])
        latent = Latent.model_validate(config["latent"])
        shape, _ = tuple(int(side) for side in config["shape"]), bool(config["images"])
    except FileNotFoundError as error:
        raise InputError(
            f"`{folder}` holds no model: {Path(error.filename or '').name} is missing",
            "the model of a run is written when training ends; go on with --resume",
        ) from None
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        reason = f"{CONFIG} has no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(
            f"the model in `{folder}` cannot be read: {reason}",
            "write it again: sparring train --resume --out RUN",
        ) from None
    generator = build_generator(network, latent.size, shape, seed=0, make=make)
    try:
        generator.load_state_dict(tensors)
    except RuntimeError:
        raise InputError(
            f"the weights in `{folder}` do not fit network `{network.name}`",
            "was the network changed since?",
        ) from None
    generator.eval().requires_grad_(False)
    return Model(generator.to(memory_format=torch.channels_last), config)


def model_card(
    recipe: Recipe,
    dataset: Dataset,
    step: int,
    metrics: dict[str, dict[str, Any]],
    conditional: bool = False,
) -> str:
    """The card: what it makes, from what, how good, what for."""
    rows = "\n".join(
        f"| {name} | {record['value']:.5g} | {record['features']} ({record['layer']}) | "
        f"{record['samples_fake']} generated against {record['samples_real']} of split "
        f"{record['split']} | {'; '.join(record['flags']) or '–'} |"
        for name, record in metrics.items()
    )
    kind = "images in [-1, 1]" if dataset.is_images else "vectors"
    drawn = "torch.randn" if recipe.latent.prior == "normal" else "torch.rand"
    inputs, labels = f"{drawn}(16, {recipe.latent.size})", ""
    if conditional:
        inputs += f", torch.randint({len(dataset.classes)}, (16,))"
        labels = f", labels [N] of {len(dataset.classes)} classes"
    return f"""---
library_name: sparring
tags: [gan, {recipe.name}]
---
# {recipe.title or recipe.name}

A generator of {dataset.description}, trained with Sparring {__version__}.

- **Data**: {dataset.name}: {dataset.description}. Licence: {dataset.licence or "not known"}.
- **Recipe**: `{recipe.name}` (source: {recipe.source or "not given"}), seed {recipe.seed},
  averaged weights after {step:,} of {recipe.steps:,} steps of {recipe.batch_size} samples.
- **Input**: latents [N, {recipe.latent.size}], {recipe.latent.prior}{labels}.
  **Output**: {kind}, shape {list(dataset.shape)}.
- **Intended use**: learning and experiments; it can reproduce what its training data holds.

| metric | value | features | samples | remarks |
| --- | --- | --- | --- | --- |
{rows}

```python
import sparring, torch
generator = sparring.load("this folder")
samples = generator({inputs})
```
"""
