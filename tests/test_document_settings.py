"""The settings of the documents, as the comments of the recipes list them, load and train."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import sparring
from sparring.data import Dataset, open_data
from sparring.data.dataset import split_by_draw
from sparring.recipes import load_recipe, parse_override, recipe_text

SHORT = {
    "steps": 2,
    "batch_size": 4,
    "tick": 1,
    "snapshots": 1,
    "evaluation": {
        "metrics": ["kid"],
        "every": 0,
        "samples": 20,
        "final_samples": 20,
        "final_metrics": ["kid"],
    },
}
# What each document says where ours differs; DESIGN and the recipe's source say which document.
DOCUMENTS: dict[str, dict[str, Any]] = {
    "gaussian-moments": {
        "repeats": {"generator": 20, "discriminator": 20},
        "penalties": [],
        "optimizer.generator": ("sgd", 1e-3, 0.9, "constant"),
        "optimizer.discriminator": ("sgd", 1e-3, 0.9, "constant"),
        "steps": 5000,
        "batch_size": 500,
    },
    "mlp-cifar10": {
        "optimizer.generator": ("adam", 2e-4, (0.9, 0.999), "constant"),
        "optimizer.discriminator": ("adam", 2e-4, (0.9, 0.999), "constant"),
        "steps": 12500,
        "batch_size": 4,
    },
    "gaussian": {
        "optimizer.generator": ("adam", 5e-4, (0.9, 0.999), "linear"),
        "optimizer.discriminator": ("adam", 1e-3, (0.9, 0.999), "linear"),
        "penalties": [],
        "steps": 3000,
        "batch_size": 512,
    },
    "mlp-mnist": {
        "optimizer.generator": ("adam", 2e-4, (0.5, 0.999), "constant"),
        "steps": math.ceil(60_000 / 128) * 50,
        "batch_size": 128,
    },
    "dcgan": {
        "optimizer.generator": ("adam", 2e-4, (0.5, 0.999), "constant"),
        "batch_size": 128,
    },
    "wgan": {
        "optimizer.generator": ("rmsprop", 5e-5, 0.0, "constant"),
        "optimizer.discriminator": ("rmsprop", 5e-5, 0.0, "constant"),
        "repeats": {"generator": 1, "discriminator": 5},
        "clip_weights": 0.01,
        "batch_size": 64,
    },
    "wgan-gp": {
        "optimizer.generator": ("adam", 1e-4, (0.0, 0.9), "constant"),
        "optimizer.discriminator": ("adam", 1e-4, (0.0, 0.9), "constant"),
        "repeats": {"generator": 1, "discriminator": 5},
        "batch_size": 64,
    },
    "patterns": {"optimizer.generator": ("adam", 1e-3, (0.5, 0.999), "constant"), "penalties": []},
}


def overrides_of(name: str) -> list[str]:
    """The key=value words in a recipe's comment, three spaces in."""
    lines = re.findall(r"^#   (.+)$", recipe_text(name), re.MULTILINE)
    return [word for line in lines for word in line.split()]


def data_of(name: str) -> Dataset:
    """A few samples of the kind that the document trains on."""
    shapes = {"mlp-cifar10": (3, 32, 32), "mlp-mnist": (1, 28, 28), "dcgan": (3, 64, 64)}
    if name not in shapes:
        return open_data(load_recipe(name).data)
    draw = torch.Generator().manual_seed(0)
    values = torch.randint(0, 256, (200, *shapes[name]), dtype=torch.uint8, generator=draw)
    return Dataset(name, values, split_by_draw(200))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_settings_of_a_document_load_as_it_has_them_and_train(
    name: str, tmp_path: Path
) -> None:
    words = overrides_of(name)
    recipe = load_recipe(name, words)
    assert recipe != load_recipe(name)
    assert recipe.ema.half_life == 0  # no document averages its generator
    for key, wanted in DOCUMENTS[name].items():
        player = key.removeprefix("optimizer.")
        if player == key:
            found = getattr(recipe, key)
            found = found.model_dump() if key == "repeats" else found
        else:
            chosen = getattr(recipe.optimizer, player)
            memory = chosen.betas if chosen.name == "adam" else chosen.momentum
            found = (chosen.name, chosen.lr, memory, chosen.schedule.name)
        assert found == wanted, key
    overrides = dict(map(parse_override, words)) | SHORT
    run = sparring.train(name, data_of(name), tmp_path / "run", overrides)
    assert [tick["step"] for tick in run.folder.read_history()] == [1, 2]
    assert all(math.isfinite(tick["loss/generator"]) for tick in run.folder.read_history())


def test_the_moments_recipe_has_the_networks_of_its_document() -> None:
    recipe = load_recipe("gaussian-moments", overrides_of("gaussian-moments"))
    assert recipe.discriminator.options() == {"width": [10, 10], "activation": "sigmoid"}
    assert recipe.generator.options() == {"width": [5, 5], "activation": "tanh"}
    assert (recipe.latent.size, recipe.latent.prior) == (1, "uniform")
    assert (recipe.data.mean, recipe.data.std) == (4.0, 1.25)


def test_colour_images_train_the_cifar10_recipe_as_shipped(tmp_path: Path) -> None:
    short = SHORT | {"batch_size": 8}
    run = sparring.train("mlp-cifar10", data_of("mlp-cifar10"), tmp_path / "run", short)
    samples = run.sample(3)
    assert samples.shape == (3, 3, 32, 32)
    assert samples.dtype == torch.uint8
    generator = sparring.load(run.path)
    assert sum(p.numel() for p in generator.parameters()) == sum(
        before * after + after for before, after in ((100, 256), (256, 512), (512, 1024))
    ) + (1024 * 3072 + 3072)
