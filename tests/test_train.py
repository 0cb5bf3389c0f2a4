"""Training from Python: what a run folder holds, and what one brings of one's own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

import sparring
from helpers import QUICK, THIN
from sparring.api import Run
from sparring.data import Dataset
from sparring.data.dataset import split_by_draw
from sparring.errors import InputError
from sparring.objectives import Loss, Term
from sparring.recipes import load_recipe
from sparring.training import checkpoint


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A short run of the default recipe, scored on the way."""
    folder = tmp_path_factory.mktemp("digits") / "run"
    every = {"evaluation": QUICK["evaluation"] | {"every": 64, "metrics": ["kid", "fid"]}}
    return sparring.train(out=folder, overrides=QUICK | THIN | every)


def history(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.folder.history.read_text().splitlines()]


def tensors(run: Run, name: str = checkpoint.LAST) -> dict[str, Tensor]:
    return checkpoint.read(run.folder.checkpoints / name).tensors


def test_the_run_folder_is_complete(digits: Run) -> None:
    files = {str(p.relative_to(digits.path)) for p in digits.path.rglob("*") if p.is_file()}
    assert files == {
        *("recipe.yaml", "history.jsonl", "evolution.gif", "metrics.json", "findings.json"),
        *("report.html", "summary.json"),
        *(f"samples/{step}.png" for step in (4, 8, 12)),
        *(f"pictures/{name}.png" for name in ("samples", "interpolation", "nearest")),
        *(f"pictures/{name}.png" for name in ("curves", "referee")),
        *(f"checkpoints/{name}.safetensors" for name in ("last", "previous", "best")),
        *(f"model/{name}" for name in ("config.json", "model.safetensors", "README.md")),
    }


def test_the_history_has_a_line_a_tick(digits: Run) -> None:
    ticks = history(digits)
    assert [tick["step"] for tick in ticks] == [4, 8, 12]
    assert [tick["samples_seen"] for tick in ticks] == [64, 128, 192]
    keys = (
        "seconds",
        "evaluation_seconds",
        "loss/discriminator",
        "loss/generator",
        "score/real",
        "accuracy/fake",
    )
    for tick in ticks:
        assert all(isinstance(tick[key], float) for key in (*keys, "metric/kid", "metric/fid"))
        assert tick["findings"] == []


def test_the_best_checkpoint_is_that_of_the_lowest_first_metric(digits: Run) -> None:
    scores = {tick["step"]: tick["metric/kid"] for tick in history(digits)}
    best = min(scores, key=lambda step: scores[step])
    found = checkpoint.read(digits.folder.checkpoints / checkpoint.BEST)
    assert found.meta["step"] == found.meta["score"]["step"] == best
    assert found.meta["score"]["metrics"]["kid"] == scores[best]
    assert json.loads(digits.folder.metrics.read_text())["step"] == best
    assert digits.summary["best"]["step"] == best
    shipped = load_file(digits.folder.model / "model.safetensors")
    average = checkpoint.player_tensors(found, "generator")
    assert shipped.keys() == average.keys()
    assert all(torch.equal(shipped[key], value) for key, value in average.items())


def test_the_best_state_is_scored_and_shipped_even_if_it_is_not_the_last(tmp_path: Path) -> None:
    worse = {"optimizer.generator.lr": 0.5, "ema.half_life": 0}
    every = {"evaluation": QUICK["evaluation"] | {"every": 64}}
    run = sparring.train("ring", out=tmp_path / "run", overrides=QUICK | worse | every)
    scores = {tick["step"]: tick["metric/fid"] for tick in history(run)}
    best = run.summary["best"]
    assert best["step"] == min(scores, key=lambda step: scores[step]) < 12
    assert run.evaluate(["fid"], samples=120)["fid"] == best["metrics"]["fid"]
    assert best["metrics"]["fid"]["value"] < 0.9 * scores[12]


def test_the_summary_says_what_happened(digits: Run) -> None:
    summary = digits.summary
    assert (summary["recipe"], summary["data"]) == ("digits", "mnist5k")
    assert (summary["steps"], summary["samples_seen"]) == (12, 192)
    assert summary["run"] == str(digits.path)
    assert [finding["code"] for finding in summary["findings"]] == ["short-run"]
    assert summary["seconds"] > 0
    spent = sum(tick["evaluation_seconds"] for tick in history(digits))
    assert 0 < summary["evaluation_seconds"] == pytest.approx(spent, abs=0.01)
    assert summary["notes"] == []  # nobody waits for so little
    assert summary["best"]["metrics"].keys() == {"kid", "fid"}
    record = summary["best"]["metrics"]["fid"]
    assert (record["samples_real"], record["samples_fake"]) == (500, 120)
    assert (record["split"], record["features"]) == ("test", "classifier")
    written = json.loads(digits.folder.findings.read_text())
    assert (written["verdict"], written["findings"]) == ("unknown", summary["findings"])


def test_the_recipe_of_a_run_is_complete(digits: Run) -> None:
    recipe = load_recipe(digits.folder.recipe)
    assert recipe.steps == 12
    assert (recipe.data.size, recipe.data.channels) == (28, 1)
    assert recipe.generator.options()["activation"] == "relu"


def test_the_pictures_are_pictures(digits: Run) -> None:
    with Image.open(digits.folder.samples / "12.png") as picture:
        assert picture.mode == "L"
        assert min(picture.size) >= 300
    with Image.open(digits.folder.evolution) as film:
        assert film.n_frames == 3
    page = digits.folder.report.read_text()
    assert "<html" in page
    assert "digits" in page


def test_the_model_has_a_card_and_a_description(digits: Run) -> None:
    card = (digits.folder.model / "README.md").read_text()
    for words in ("CC BY-SA", "`digits`", "seed 0", "| fid |", "| kid |", "latents [N, 8]"):
        assert words in card
    config = json.loads((digits.folder.model / "config.json").read_text())
    assert config["shape"] == [1, 28, 28]
    assert config["generator"]["width"] == 4


def test_samples_belong_to_their_seeds(digits: Run) -> None:
    many = digits.sample(70, seed=5)
    assert many.shape == (70, 1, 28, 28)
    assert many.dtype == torch.uint8
    assert len(many.flatten(1).unique(dim=0)) == 70
    for i in (0, 1, 63, 64, 69):
        assert torch.equal(digits.sample(1, seed=5 + i)[0], many[i])
    assert torch.equal(sparring.sample(digits.folder.model, 3, seed=7), many[2:5])


def test_the_loaded_generator_is_the_one_that_is_sampled(digits: Run) -> None:
    generator = sparring.load(digits.path)
    assert not generator.training
    assert not any(parameter.requires_grad for parameter in generator.parameters())
    assert generator(torch.zeros(3, 8)).shape == (3, 1, 28, 28)


def test_a_run_is_evaluated_on_its_test_split(digits: Run) -> None:
    records = digits.evaluate(["fid"], samples=120)
    assert records == sparring.evaluate(digits.path, metrics=["fid"], samples=120)
    assert records["fid"] == digits.summary["best"]["metrics"]["fid"]
    other = sparring.evaluate(digits.path, metrics=["fid"], samples=120, features="pixels")
    assert other["fid"]["features"] == "pixels"
    shifted = sparring.evaluate(digits.path, metrics=["fid"], samples=120, seed=99)
    assert shifted["fid"]["value"] != records["fid"]["value"]


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (1, -1), (1, 2**53)])
def test_impossible_samples_are_refused(digits: Run, count: int, seed: int) -> None:
    with pytest.raises(InputError):
        digits.sample(count, seed)


class MyGenerator(nn.Module):
    """Points on a circle that can be scaled and moved."""

    def __init__(self, latent_size: int, shape: tuple[int, ...], angle: float = 1.0) -> None:
        super().__init__()
        self.angle = angle
        self.layer = nn.Linear(latent_size, shape[0])

    def forward(self, z: Tensor) -> Tensor:
        return self.layer((self.angle * z).sin())


class MyDiscriminator(nn.Module):
    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(shape[0], 8), nn.SiLU(), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)[:, 0]


RING = QUICK | {"evaluation": QUICK["evaluation"] | {"metrics": ["fid", "modes", "ppl"]}}


def test_networks_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("data: {name: ring}\ngenerator: {angle: 2.5}")
    run = sparring.train(
        file,
        out=tmp_path / "run",
        overrides=RING,
        generator=MyGenerator,
        discriminator=MyDiscriminator,
    )
    assert run.sample(5).shape == (5, 2)
    assert run.sample(5).dtype == torch.float32
    generator = sparring.load(run.path, generator=MyGenerator)
    assert isinstance(generator, MyGenerator)
    assert generator.angle == 2.5
    records = run.evaluate(["modes", "ppl"], samples=50)
    assert records["modes"]["samples_fake"] == 50
    assert records["ppl"]["value"] > 0
    ticks = run.folder.read_history()
    assert all(tick["metric/ppl"] > 0 for tick in ticks if "metric/fid" in tick)
    assert "metric/ppl" in ticks[-1]


def test_networks_of_ones_own_take_no_options_of_the_recipes_networks(tmp_path: Path) -> None:
    run = sparring.train(
        "ring", None, tmp_path / "run", RING, generator=MyGenerator, discriminator=MyDiscriminator
    )
    recipe = load_recipe(run.folder.recipe)
    assert recipe.generator.name == f"{__name__}:MyGenerator"  # it says what was trained
    assert recipe.generator.options() == {"angle": 1.0}
    assert recipe.discriminator.options() == {}
    assert isinstance(sparring.load(run.path), MyGenerator)


def test_loss_penalty_and_term_of_ones_own(tmp_path: Path) -> None:
    calls: list[str] = []

    def small_weights(batch: Any) -> Tensor:
        calls.append(batch.move.phase)
        weights = batch.game.players["discriminator"].parameters()
        return torch.stack([weight.square().sum() for weight in weights])

    def near_zero(batch: Any) -> Tensor:
        calls.append(batch.move.phase)
        return batch.fake.square()

    # Least squares towards 0 and 1, as its paper writes it.
    loss = Loss(
        lambda r: (r - 1).square(),
        lambda f: f.square(),
        lambda f: (f - 1).square(),
        probabilistic=False,
    )
    run = sparring.train(
        "ring",
        out=tmp_path / "run",
        overrides=RING | {"penalties": []},
        loss=loss,
        penalties=[Term("small", small_weights, weight=0.1, reads_real=False)],
        terms=[Term("near", near_zero, weight=0.1, every=4, reads_real=False)],
    )
    assert calls.count("discriminator") == 12
    assert calls.count("generator") == 3
    ticks = history(run)
    assert {"loss/discriminator/small", "loss/generator/near"} <= ticks[-1].keys()
    assert run.summary["equilibrium"] == {"loss/discriminator": 1.0, "loss/generator": 1.0}


def test_data_of_ones_own(tmp_path: Path) -> None:
    """A run on a data set that has no name can still be evaluated."""
    values = torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
    mine = Dataset("mine", values, split_by_draw(300), description="noise")
    run = sparring.train("ring", mine, tmp_path / "run", QUICK)
    assert run.sample(4).shape == (4, 3)
    assert run.summary["data"] == "mine"
    assert run.evaluate(["fid"], samples=50)["fid"]["samples_real"] == 30


def test_a_recipe_object_can_be_overridden_like_any_other(tmp_path: Path) -> None:
    recipe = load_recipe("ring", RING)
    run = sparring.train(recipe, out=tmp_path / "run", overrides={"seed": 5, "steps": 4})
    written = load_recipe(run.folder.recipe)
    assert (written.seed, written.steps, written.name) == (5, 4, "ring")
    assert recipe.seed == 0  # the caller's own is left alone


@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 8, 8), (1, 3, 3), (2,)])
def test_the_smallest_archive_trains_to_the_end(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Ten samples are few but no reason to fail when they are scored."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (10, *shape), np.uint8)
    samples = images if len(shape) == 3 else draw.normal(size=(10, *shape))
    np.savez(tmp_path / "few.npz", samples=samples)
    metrics = {"evaluation": QUICK["evaluation"] | {"metrics": ["kid", "fid"]}}
    name = "digits" if len(shape) == 3 else "ring"
    changes = QUICK | metrics | (THIN if len(shape) == 3 else {})
    if shape[-1] == 3:  # too small for convolutions
        changes = QUICK | metrics | {"generator.name": "mlp", "discriminator.name": "mlp"}
    run = sparring.train(name, str(tmp_path / "few.npz"), tmp_path / "run", changes)
    assert run.summary["best"]["metrics"]["kid"]["samples_real"] == 2
    assert run.sample(2).shape == (2, *shape)
    assert run.evaluate(["fid"], samples=20)["fid"]["flags"]


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_name_the_next_free_folder_is_taken(in_folder: Path) -> None:
    runs = [sparring.train("ring", overrides=QUICK | {"steps": 1, "seed": s}) for s in range(2)]
    assert [str(run.path) for run in runs] == ["runs/ring-001", "runs/ring-002"]
    first, second = (tensors(run) for run in runs)
    assert not torch.equal(*(t["player/generator/layers.0.weight"] for t in (first, second)))


def test_toys_sample_floats(tmp_path: Path) -> None:
    run = sparring.train("ring", out=tmp_path / "run", overrides=RING)
    samples = run.sample(70, seed=3)
    assert samples.shape == (70, 2)
    assert torch.equal(samples[66:], run.sample(4, seed=69))
