"""`sngan` and `unrolled` on tiny networks: any size of batch and image, resuming."""

from pathlib import Path
from typing import Any

import pytest
import torch

import sparring
from helpers import CPU, QUICK, D, G, toy
from sparring.data import Dataset
from sparring.data.dataset import split_by_draw
from sparring.games.latent import latent_game
from sparring.recipes import load_recipe
from sparring.training import checkpoint
from sparring.training.state import State
from sparring.training.step import run_step

TINY: dict[str, dict[str, Any]] = {
    "sngan": {
        "generator.width": 2,
        "discriminator.width": 2,
        "latent.size": 4,
        "generator.attention": [16],
        "discriminator.attention": [8],
        "data.size": 16,
    },
    "unrolled": {
        "generator.width": [4],
        "discriminator.width": [4],
        "latent.size": 4,
        "unroll.steps": 3,
    },
}


def images(channels: int, size: int, count: int = 60, classes: int = 0) -> Dataset:
    draw = torch.Generator().manual_seed(size)
    shape = (count, channels, size, size)
    values = torch.randint(0, 256, shape, dtype=torch.uint8, generator=draw)
    labels = torch.arange(count) % classes if classes else None
    names = tuple(str(k) for k in range(classes))
    return Dataset("noise", values, split_by_draw(count), labels=labels, classes=names)


def data_of(name: str) -> Dataset:
    return images(1, 16) if name == "sngan" else toy("ring")


def tiny(name: str, dataset: Dataset, **changes: Any) -> State:
    recipe = load_recipe(name, TINY[name] | changes)
    return State(latent_game(recipe, dataset, CPU), recipe, CPU)


def finite_after(state: State, steps: int = 2) -> None:
    for _ in range(steps):
        run_step(state)
    assert all(values.isfinite().all() for values in state.statistics.stacked().values())


@pytest.mark.parametrize("batch_size", [1, 2, 3])
@pytest.mark.parametrize("name", TINY)
def test_batches_of_one_to_three_train(name: str, batch_size: int) -> None:
    finite_after(tiny(name, data_of(name), batch_size=batch_size))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 28, 100, 256])
def test_sngan_trains_grey_and_colour_at_every_kind_of_size(size: int, channels: int) -> None:
    none = {"generator.attention": [], "discriminator.attention": [], "generator.width": 1}
    finite_after(tiny("sngan", images(channels, size, 8), batch_size=2, **none), steps=1)


@pytest.mark.parametrize("condition", ["normalization", "embedding"])
@pytest.mark.parametrize("judged", ["projection", "auxiliary"])
def test_sngan_trains_with_classes_penalties_and_precisions(condition: str, judged: str) -> None:
    changes = {
        "generator.condition": condition,
        "discriminator.condition": judged,
        "precision": {G: "bf16", D: "bf16"},
        "penalties": [{"name": "r1"}, {"name": "gp"}],
        "batch_size": 4,
    }
    finite_after(tiny("sngan", images(3, 16, classes=3), **changes))


@pytest.mark.parametrize("name", TINY)
def test_resumed_it_ends_as_if_it_had_never_stopped(name: str, tmp_path: Path) -> None:
    overrides = QUICK | TINY[name] | {"steps": 8, "batch_size": 4}
    # Nothing that depends on the number of steps, which grows.
    overrides |= {f"optimizer.{player}.schedule": "constant" for player in (G, D)}
    data = data_of(name)
    whole = sparring.train(name, data, tmp_path / "whole", overrides)
    sparring.train(name, data, tmp_path / "parts", overrides | {"steps": 4})
    parts = sparring.train(data=data, out=tmp_path / "parts", overrides={"steps": 8}, resume=True)
    found, expected = (
        checkpoint.read(run.folder.checkpoints / checkpoint.LAST).tensors for run in (parts, whole)
    )
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())
    remembered = {"sngan": "_u", "unrolled": "moves"}[name]
    assert any(key.endswith(remembered) for key in found)


def test_the_recipes_are_those_of_the_papers() -> None:
    sngan, unrolled = (load_recipe(name) for name in TINY)
    for player in (sngan.optimizer.generator, sngan.optimizer.discriminator):
        assert (player.name, player.lr, player.betas) == ("adam", 2e-4, (0.0, 0.9))
        assert player.schedule.factor(1.0) == 0
    assert sngan.loss.name == "hinge"
    assert sngan.discriminator.options()["spectral_norm"]
    assert unrolled.latent.size == 256
    assert unrolled.loss.name == "logistic-saturating"
    rates = (unrolled.optimizer.generator.lr, unrolled.optimizer.discriminator.lr)
    assert rates == (1e-3, 1e-4)
    assert unrolled.unroll.steps == 10
