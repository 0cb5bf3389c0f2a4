"""Generators that are asked for a class: trained, sampled by it, scored, drawn and resumed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import sparring
from helpers import CPU, QUICK, Command
from sparring.data import Dataset
from sparring.data.dataset import split_by_draw
from sparring.errors import InputError
from sparring.games import GAMES, Prior, generate
from sparring.networks import takes_labels
from sparring.networks.layers import at_rest
from sparring.recipe import Latent
from sparring.recipes import load_recipe, recipe_names
from sparring.report import image_grid
from sparring.report.gallery import gallery
from sparring.report.scene import read_scene
from sparring.run import open_run
from sparring.training import checkpoint
from sparring.training.state import State
from sparring.training.step import run_step

RECIPES = ("cgan", "cdcgan", "acgan")
SHADES = {"dark": 20, "grey": 120, "bright": 230}  # classes that a few steps can tell apart
SCORES = QUICK["evaluation"] | {"features": "pixels", "samples": 10, "final_samples": 10}
SMALL = QUICK | {"latent.size": 4, "evaluation": SCORES}
THIN = {name: {"generator.width": 4, "discriminator.width": 4} for name in ("cdcgan", "acgan")}
THIN["cgan"] = {"generator.width": [8], "discriminator.width": [8]}


def shades(shape: tuple[int, ...] = (1, 8, 8), count: int = 90) -> Dataset:
    """Images of three shades, the first class half as frequent as each of the others."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 1, 2, 1, 2]).repeat(-(-count // 5))[:count]
    level = torch.tensor(list(SHADES.values()))[labels].view(-1, 1, 1, 1)
    values = (level + torch.randint(-20, 20, (count, *shape), generator=draw)).to(torch.uint8)
    return Dataset("shades", values, split_by_draw(count), labels, tuple(SHADES))


def run_of(name: str, out: Path, dataset: Dataset | None = None, **overrides: Any) -> Any:
    return sparring.train(name, dataset or shades(), out, SMALL | THIN[name] | overrides)


@pytest.fixture(scope="module", params=RECIPES)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return run_of(request.param, tmp_path_factory.mktemp(request.param) / "run")


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run that is long enough to tell the shades apart."""
    return run_of("cdcgan", tmp_path_factory.mktemp("learned") / "run", steps=150, tick=50)


def test_a_class_is_made_when_asked_for_by_name_or_number(learned: Any) -> None:
    for number, (name, level) in enumerate(SHADES.items()):
        samples = learned.sample(16, seed=5, label=name)
        assert torch.equal(samples, learned.sample(16, seed=5, label=number))
        assert torch.equal(samples, learned.sample(16, seed=5, label=str(number)))
        assert abs(samples.float().mean() - level) < 45


def test_without_a_label_classes_come_as_often_as_in_the_data(learned: Any) -> None:
    train = shades().split_labels("train")
    assert train is not None
    shares = train.bincount() / len(train)
    parts = list(sparring.api.stream(learned.path, 600))
    labels = torch.cat([part for _, part in parts])
    assert (labels.bincount() / 600 - shares).abs().max() < 0.06
    assert torch.equal(torch.cat([samples for samples, _ in parts]), learned.sample(600))
    # Each from its own seed only: sample 7 is the same in any company.
    assert torch.equal(learned.sample(9, seed=0)[7:], learned.sample(2, seed=7))
    means = torch.cat([samples for samples, _ in parts]).float().mean(dim=(1, 2, 3))
    assert means[labels == 0].mean() < means[labels == 1].mean() < means[labels == 2].mean()


def test_labels_are_in_the_archive(learned: Any, command: Command, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    assert command("sample", str(learned.path), "--count", "12", "--out", str(path)).code == 0
    _, expected = next(sparring.api.stream(learned.path, 12))
    with np.load(path) as found:
        assert found["labels"].tolist() == expected.tolist()
        assert len(set(found["labels"].tolist())) > 1
    words = ("--label", "bright", "--out", str(path))
    assert command("sample", str(learned.path), "--count", "12", *words).code == 0
    with np.load(path) as found:
        assert found["labels"].tolist() == [2] * 12


def test_a_loaded_generator_takes_labels(run: Any) -> None:
    generator = sparring.load(run.path)
    prior = Prior(Latent(size=4), [1, 1, 1])
    inputs = prior.of(range(4), label=1)
    assert torch.equal(generate(generator, inputs, images=True), run.sample(4, label=1))
    assert generator(inputs.z, inputs.labels).shape == (4, 1, 8, 8)
    with pytest.raises(InputError, match="needs labels"):
        generator(inputs.z)
    with pytest.raises(IndexError):
        generator(inputs.z, torch.tensor([0, 1, 2, 3]))
    with pytest.raises(IndexError):
        generator(inputs.z, torch.tensor([0, 1, 2, -1]))


def test_the_report_shows_each_class_in_its_row(run: Any) -> None:
    notes: list[str] = []
    scene = read_scene(open_run(run.path), notes, shades())
    assert scene
    shown = {each.name: each for each in gallery(scene)}
    rows = torch.cat([run.sample(10, label=label) for label in range(3)])
    expected = np.asarray(image_grid(rows, columns=10))
    assert np.array_equal(np.asarray(shown["classes"].drawing), expected)
    assert "dark, grey, bright" in shown["classes"].caption
    assert (run.path / "pictures" / "classes.png").is_file()


def test_snapshots_show_the_classes_in_order(run: Any) -> None:
    last = checkpoint.read(run.path / "checkpoints" / checkpoint.LAST)
    generator = sparring.load(run.path)
    generator.load_state_dict(checkpoint.player_tensors(last, "generator"))
    prior = Prior(Latent(size=4), [1, 1, 1])
    inputs = prior.in_order(range(100))
    assert inputs.labels is not None
    assert torch.equal(inputs.labels, inputs.labels.sort().values)
    assert inputs.labels.bincount().tolist() == [34, 33, 33]
    assert torch.equal(inputs.z, prior.of(range(100)).z)
    with Image.open(run.path / "samples" / "12.png") as picture:
        expected = image_grid(generate(generator, inputs, images=True))
        assert np.array_equal(np.asarray(picture), np.asarray(expected))


def test_the_model_says_which_classes_it_knows(run: Any) -> None:
    config = json.loads((run.path / "model" / "config.json").read_text())
    assert config["classes"] == list(SHADES)
    assert sum(config["class_counts"]) == len(shades().splits["train"])
    assert "labels [N] of 3 classes" in (run.path / "model" / "README.md").read_text()


def test_wrong_labels_are_told(run: Any) -> None:
    for label in (3, -1, "pale", "³"):
        with pytest.raises(InputError, match=f"no class `{label}`") as problem:
            run.sample(1, label=label)
        assert "dark, grey, bright" in problem.value.hint


def test_a_class_without_training_samples_is_not_made(tmp_path: Path) -> None:
    dataset = shades()
    labels = dataset.labels
    assert labels is not None
    gap = Dataset("gap", dataset.values, dataset.splits, labels * 2, tuple("abcde"))
    run = run_of("cdcgan", tmp_path / "run", gap)
    assert set(torch.cat([part for _, part in sparring.api.stream(run.path, 200)]).tolist()) == {
        *(0, 2, 4)
    }
    with pytest.raises(InputError, match="no training sample of class `b`"):
        run.sample(1, label="b")


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 12), (3, 28, 28)])
@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_any_shape_and_the_smallest_batches_train_or_are_refused(
    name: str, shape: tuple[int, ...], batch_size: int
) -> None:
    """Two steps of the loop, without files."""
    recipe = load_recipe(name, SMALL | THIN[name] | {"batch_size": batch_size, "steps": 2})
    make = GAMES[recipe.game]
    game = make(recipe, shades(shape, 30), CPU)
    assert all(takes_labels(player) for player in game.players.values())
    state = State(game, recipe, CPU)
    for _ in range(2):
        run_step(state)
    for player in game.players.values():
        assert all(parameter.isfinite().all() for parameter in player.parameters())


@pytest.mark.parametrize("name", RECIPES)
def test_resumed_it_ends_as_it_would_have(name: str, tmp_path: Path) -> None:
    # A schedule would end with the part: the run that is made longer would not be the same.
    still = {
        f"optimizer.{player}.schedule.name": "constant" for player in ("generator", "discriminator")
    }
    whole = run_of(name, tmp_path / "whole", **still)
    run_of(name, tmp_path / "part", steps=5, **still)
    again = sparring.train(None, shades(), tmp_path / "part", {"steps": 12}, resume=True)
    last = [checkpoint.read(r.path / "checkpoints" / checkpoint.LAST) for r in (whole, again)]
    assert last[0].tensors.keys() == last[1].tensors.keys()
    for key, tensor in last[0].tensors.items():
        assert torch.equal(tensor, last[1].tensors[key]), key


class MyGenerator(nn.Module):
    def __init__(self, latent_size: int, shape: tuple[int, ...], classes: int = 0) -> None:
        super().__init__()
        self.classes, self.shape = classes, shape
        self.layer = nn.Linear(latent_size + classes, int(np.prod(shape)))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        told = nn.functional.one_hot(labels, self.classes).to(z.dtype)
        return self.layer(torch.cat([z, told], dim=1)).tanh().view(-1, *self.shape)


class MyDiscriminator(nn.Module):
    def __init__(self, shape: tuple[int, ...], classes: int = 0) -> None:
        super().__init__()
        self.classes = classes
        self.layer = nn.Linear(int(np.prod(shape)), classes)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.layer(x.flatten(1)).gather(1, labels[:, None])


def test_networks_of_ones_own_are_told_the_classes(tmp_path: Path) -> None:
    run = sparring.train(
        "digits",
        shades(),
        tmp_path / "run",
        SMALL,
        generator=MyGenerator,
        discriminator=MyDiscriminator,
    )
    recipe = load_recipe(run.folder.recipe)
    assert recipe.generator.options()["classes"] == 3
    assert recipe.discriminator.options()["classes"] == 3
    assert run.sample(5, label="bright").shape == (5, 1, 8, 8)
    assert not torch.equal(run.sample(5, label="bright"), run.sample(5, label="dark"))


def test_one_conditional_network_of_ones_own_beside_one_that_is_not(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the generator is given labels, the discriminator is not"):
        sparring.train("digits", shades(), tmp_path / "run", SMALL, generator=MyGenerator)


UNCONDITIONAL = [name for name in recipe_names() if name not in RECIPES]


@pytest.mark.parametrize("name", UNCONDITIONAL)
def test_labels_change_nothing_in_a_recipe_without_classes(name: str) -> None:
    """Neither networks nor draws: data with labels train it as the same data without them."""
    images = load_recipe(name).data.name == "mnist5k"
    labelled = shades((1, 28, 28), 30) if images else shades((2, 1, 1), 30)
    values = labelled.values if images else labelled.values.flatten(1).float()
    labelled = replace(labelled, values=values)
    fakes = []
    for dataset in (labelled, replace(labelled, labels=None, classes=())):
        recipe = load_recipe(name, {"batch_size": 4, "steps": 2})
        if recipe.game != "latent":
            pytest.skip("not a game of latents")
        game = GAMES[recipe.game](recipe, dataset, CPU)
        assert not any(takes_labels(player) for player in game.players.values())
        assert game.prior.of(range(3)).labels is None
        run_step(State(game, recipe, CPU))
        with at_rest(game.players["generator"]):
            fakes.append(game.sample(game.players["generator"], range(3)))
    assert torch.equal(*fakes)
