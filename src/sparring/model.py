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

from sparring.card import model_card
from sparring.data import Dataset, data_names
from sparring.errors import InputError
from sparring.games import Given, Pictures, Prior
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
    class_counts: Sequence[int],
    verdict: str,
    findings: Sequence[dict[str, Any]],
) -> None:
    """Write config.json, model.safetensors and the card of an averaged generator."""
    data = recipe.data
    config = {
        "format": 1,
        "sparring": __version__,
        "recipe": recipe.name,
        "generator": recipe.generator.model_dump(mode="json"),
        "latent": None if dataset.source else recipe.latent.model_dump(mode="json"),
        # Of a generator that makes images of images, and what shows through transparent ones.
        "input_shape": list(dataset.source.shape) if dataset.source else None,
        "background": data.background,
        "shape": list(dataset.shape),
        "images": dataset.is_images,
        # Of a conditional generator, by label: what it is called, and how often it occurs.
        "classes": list(dataset.classes) if class_counts else [],
        "class_counts": list(class_counts),
        "data": {
            "name": dataset.name,
            "licence": dataset.licence,
            "fingerprint": dataset.fingerprint,
            # Where it can be had again; a path would say nothing on another machine.
            "source": data.model_dump(mode="json") if data.name in data_names() else None,
        },
        "step": step,
        "metrics": metrics,
    }
    write_bytes(folder / WEIGHTS, save({key: t.contiguous() for key, t in tensors.items()}))
    write_json(folder / CONFIG, config)
    conditional = bool(class_counts)
    card = model_card(recipe, dataset, step, metrics, verdict, findings, conditional)
    write_text(folder / CARD, card)


class Model:
    """A generator read from a model folder, and what is needed to sample it."""

    def __init__(self, generator: nn.Module, config: dict[str, Any]) -> None:
        self.generator = generator
        self.config = config
        given = config.get("input_shape")
        self.input_shape = tuple(given) if given else None
        latent = None if given else Latent.model_validate(config["latent"])
        self._prior = Prior(latent, config.get("class_counts", ())) if latent else None
        self.name = str(config.get("recipe", "generator"))
        self.shape = tuple(config["shape"])
        self.classes = tuple(config.get("classes", ()))  # of one that is called with labels too
        self.is_images: bool = config["images"]

    @property
    def prior(self) -> Prior:
        """Where its latents come from; InputError where it makes images of images."""
        if self._prior is None:
            raise InputError(
                f"generator `{self.name}` makes images of images, not of latents",
                "give it a folder of them: sparring sample RUN --input FOLDER --out FOLDER",
            )
        return self._prior

    @property
    def latent(self) -> Latent:
        return self.prior.latent

    def given(self, dataset: Dataset, split: str) -> Given:
        """Where its inputs come from when it is scored on a split of a data set."""
        if self.input_shape is None:
            return self.prior
        found = None if dataset.source is None else dataset.source.shape
        if found != self.input_shape:
            has = "no inputs" if found is None else f"inputs of {found}"
            raise InputError(
                f"data `{dataset.name}` has {has}, the generator takes {self.input_shape}",
                "give data like those that it was trained on",
            )
        return Pictures(dataset, split)

    def label(self, name: str) -> int:
        """The label of a class by its name or number; InputError if there is none."""
        return label_of(name, self.classes, self.prior.class_counts)


def label_of(name: str, classes: Sequence[str], counts: Sequence[int]) -> int:
    """The label of a class by its name or number; `counts` are empty where there are no classes."""
    if not counts:
        raise InputError("this generator knows no classes", "leave --label out")
    known = [one for one, count in zip(classes, counts, strict=True) if count]
    names = ", ".join(known[:SHOWN]) + (", …" if len(known) > SHOWN else "")
    if name in classes:
        number = classes.index(name)
    elif name.isascii() and name.isdecimal() and len(name) < 10 and int(name) < len(counts):
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
        given = config.get("input_shape")
        sizes = tuple(map(int, given)) if given else Latent.model_validate(config["latent"]).size
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
    generator = build_generator(network, sizes, shape, seed=0, make=make)
    try:
        generator.load_state_dict(tensors)
    except RuntimeError:
        raise InputError(
            f"the weights in `{folder}` do not fit network `{network.name}`",
            "was the network changed since?",
        ) from None
    generator.eval().requires_grad_(False)
    return Model(generator.to(memory_format=torch.channels_last), config)
