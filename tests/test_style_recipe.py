"""`stylegan2` on tiny networks: any batch and size, resuming, what is sampled and exported."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import sparring
from helpers import CPU, QUICK, Command, D, G
from sparring.api import Run
from sparring.data import Dataset
from sparring.data.dataset import split_by_draw
from sparring.errors import InputError
from sparring.games import rendered
from sparring.games.latent import latent_game
from sparring.networks.styles import styles_of
from sparring.recipes import load_recipe
from sparring.referee import preflight
from sparring.training import checkpoint
from sparring.training.state import State
from sparring.training.step import run_step

TINY: dict[str, Any] = {
    "generator.width": 2,
    "generator.growth": 2,
    "generator.styles": 6,
    "discriminator.width": 2,
    "discriminator.growth": 2,
    "latent.size": 5,
    "batch_size": 4,
}
CLASSES = {"generator.condition": "embedding", "discriminator.condition": "projection"}


def images(channels: int = 1, size: int = 16, count: int = 60, classes: int = 0) -> Dataset:
    draw = torch.Generator().manual_seed(size)
    values = torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8, generator=draw)
    labels = torch.arange(count) % classes if classes else None
    names = tuple(f"kind {k}" for k in range(classes))
    return Dataset("noise", values, split_by_draw(count), labels=labels, classes=names)


def tiny(dataset: Dataset, **changes: Any) -> State:
    recipe = load_recipe("stylegan2", TINY | changes)
    return State(latent_game(recipe, dataset, CPU), recipe, CPU)


def finite_after(state: State, steps: int = 2) -> State:
    for _ in range(steps):
        run_step(state)
    assert all(values.isfinite().all() for values in state.statistics.stacked().values())
    return state


def test_its_regularizers_are_moves_of_their_own_by_the_players_optimizers() -> None:
    recipe = load_recipe("stylegan2")
    game = tiny(images()).game
    names = [(phase.name, phase.every, phase.shares) for phase in game.phases]
    assert names == [
        (D, 1, None),
        (f"{D}/r1", 16, D),
        (G, 1, None),
        (f"{G}/path-length", 4, G),
    ]
    optimizers = tiny(images()).optimizers
    for name, k in ((D, 16), (G, 4)):
        chosen = getattr(recipe.optimizer, name)
        (group,) = optimizers[name].param_groups
        assert group["lr"] == pytest.approx(chosen.lr * k / (k + 1))
        assert group["betas"] == pytest.approx([beta ** (k / (k + 1)) for beta in chosen.betas])
    assert recipe.loss.name == "logistic"
    assert game.players[G].mixing.probability == 0.5  # the recipe's own


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_batches_of_one_to_three_train(batch_size: int) -> None:
    finite_after(tiny(images(), batch_size=batch_size))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 28, 100, 256])
def test_grey_and_colour_train_at_every_kind_of_size(size: int, channels: int) -> None:
    changes = {"generator.width": 1, "discriminator.width": 1}
    finite_after(tiny(images(channels, size, 8), batch_size=2, **changes), steps=1)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_trains_with_classes_ada_micro_batches_and_precisions(precision: str) -> None:
    changes = CLASSES | {
        "augment.name": "ada",
        "augment.p": 0.5,
        "precision": {G: precision, D: precision},
        "micro_batch": 2,
    }
    state = finite_after(tiny(images(3, classes=3), **changes), steps=3)
    generator = state.game.players[G]
    term = state.game.phases[-1].terms[0].fn
    assert isinstance(term, torch.nn.Module)
    assert term.get_buffer("mean") > 0
    assert generator.get_buffer("mean_style").abs().max() > 0


def test_a_penalty_may_be_a_summand_and_then_the_generator_moves_once() -> None:
    together = [{"name": "path-length", "weight": 2.0, "every": 2}]
    state = finite_after(tiny(images(), terms=together), steps=2)
    assert [phase.name for phase in state.game.phases] == [D, f"{D}/r1", G]
    first = next(state.game.players[G].parameters())
    assert state.optimizers[G].state[first]["step"] == 2


def test_preflight_has_nothing_to_say_of_it() -> None:
    recipe = load_recipe("stylegan2", TINY)
    dataset = images(1, 28, 2000)
    changes = {"batch_size": 32, "evaluation.samples": 1000}
    recipe = load_recipe("stylegan2", TINY | changes)
    assert preflight(recipe, dataset, latent_game(recipe, dataset, CPU)) == []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with classes, long enough for a mean style."""
    # Pixel norm of two channels, both near 0, would make much of rounding in the exported file.
    overrides = QUICK | TINY | CLASSES | {"steps": 12, "generator.width": 8}
    folder = tmp_path_factory.mktemp("style") / "run"
    return sparring.train("stylegan2", images(1, 16, 200, 3), folder, overrides)


def test_resumed_it_ends_as_if_it_had_never_stopped(run: Run, tmp_path: Path) -> None:
    data, overrides = images(1, 16, 200, 3), QUICK | TINY | CLASSES | {"generator.width": 8}
    sparring.train("stylegan2", data, tmp_path / "parts", overrides | {"steps": 5})
    changes = {"steps": 12}
    parts = sparring.train(data=data, out=tmp_path / "parts", overrides=changes, resume=True)
    found, expected = (
        checkpoint.read(one.folder.checkpoints / checkpoint.LAST).tensors for one in (parts, run)
    )
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())
    remembered = ("term/generator/path-length.path-length/mean", "player/generator/mean_style")
    assert set(remembered) <= found.keys()
    assert {key.split("/")[1] for key in found if key.startswith("optimizer/")} == {D, G}


def test_a_seed_makes_one_image_and_the_model_keeps_the_mean(run: Run) -> None:
    assert torch.equal(run.sample(6, seed=3)[2:], run.sample(4, seed=5))
    tensors = sparring.load(run.path).state_dict()
    assert tensors["mean_style"].abs().max() > 0


def spread(samples: Tensor) -> float:
    return samples.float().std(0).mean().item()


def test_truncation_draws_samples_together(run: Run) -> None:
    whole, half, none = (run.sample(16, truncation=share) for share in (1.0, 0.5, 0.0))
    assert torch.equal(whole, run.sample(16))
    assert spread(whole) > spread(half) > spread(none) == 0
    with pytest.raises(InputError, match=r"truncation 1\.5 is no share"):
        run.sample(1, truncation=1.5)


def test_truncation_of_other_generators_scales_z(images: Any, tmp_path: Path) -> None:
    run = Run(sparring.run.RunFolder(images))
    generator, zero = sparring.load(images), torch.zeros(64, 8)
    with torch.inference_mode():
        expected = sparring.data.to_samples(generator(zero), True)[:1]
    assert torch.equal(run.sample(3, truncation=0.0), expected.expand(3, -1, -1, -1))
    overrides = QUICK | {"latent.prior": "uniform"}
    uniform = sparring.train("ring", out=tmp_path / "ring", overrides=overrides)
    with pytest.raises(InputError, match="have no tails"):
        uniform.sample(1, truncation=0.5)


def test_walks_go_straight_through_styles(run: Run) -> None:
    found = sparring.sample(run.path, 16, seed=4, interpolate=True)
    generator = sparring.load(run.path)
    z = sparring.games.latents_of(load_recipe(run.folder.recipe).latent, range(4, 7))
    rows = []
    for row in range(2):
        labels = torch.full((2,), row)
        ends = styles_of(generator, z[row : row + 2], labels)  # type: ignore[arg-type]
        share = torch.linspace(0, 1, 8)[:, None, None]
        rows.append(torch.lerp(ends[0], ends[1], share))
    expected = rendered(generator, torch.cat(rows))
    assert (found.int() - expected.int()).abs().max() <= 1


def test_a_mix_has_its_sources_at_its_edges(run: Run) -> None:
    images = sparring.style_mix(run.path, rows=3, columns=2, seed=7, label=1)
    grid = images.unflatten(0, (4, 3))
    assert grid[0, 0].max() == 0
    sources = sparring.sample(run.path, 5, seed=7, label=1)
    assert (grid[1:, 0].int() - sources[:3].int()).abs().max() <= 1
    assert (grid[0, 1:].int() - sources[3:].int()).abs().max() <= 1
    # With itself a source mixes to itself; with others to neither.
    generator = sparring.load(run.path)
    latent = load_recipe(run.folder.recipe).latent
    z, labels = sparring.games.latents_of(latent, [8, 11]), torch.ones(2, dtype=torch.long)
    coarse, fine = styles_of(generator, z, labels)  # type: ignore[arg-type]
    half = generator.layers // 2
    mixed = torch.cat([coarse[:half], fine[half:]])[None]
    assert (grid[2, 2].int() - rendered(generator, mixed)[0].int()).abs().max() <= 1


def test_the_command_line_mixes_and_truncates(run: Run, tmp_path: Path, command: Command) -> None:
    picture = str(tmp_path / "mix.png")
    options = ["--style-mix", "--count", "16", "--truncation", "0.7", "--json"]
    answer = command("sample", str(run.path), "--out", picture, *options)
    assert (answer.code, answer.value["count"]) == (0, 16)
    pixels = np.asarray(Image.open(picture))
    assert pixels.shape[1] > 2.5 * pixels.shape[0]  # 9 columns, 3 rows
    assert (pixels[: pixels.shape[0] // 4, : pixels.shape[1] // 10] == pixels[0, 0]).all()
    archive = str(tmp_path / "all.npz")
    command("sample", str(run.path), "--out", archive, "--count", "3", "--truncation", "0")
    samples = np.load(archive)["samples"]
    assert (samples[0] == samples[1]).all() or len(set(np.load(archive)["labels"])) > 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--style-mix", "--out", "x.png"], "--style-mix needs a generator with styles"),
        (["--style-mix", "--interpolate", "--out", "x.png"], "are two pictures"),
        (["--style-mix", "--out", "x.npz"], "--style-mix makes one picture"),
        (["--truncation", "-1", "--out", "x.png"], "--truncation -1 is no share"),
    ],
)
def test_what_cannot_be_is_told(
    images: Path, words: list[str], message: str, command: Command
) -> None:
    answer = command("sample", str(images), *words)
    assert answer.code == 2
    assert message in answer.stderr


def test_exported_it_makes_the_same_and_truncates_towards_the_mean(
    run: Run, tmp_path: Path
) -> None:
    answer = run.export(tmp_path / "style.onnx", truncation=True)
    assert answer["max_abs_error"] < 1e-4
    from sparring.onnx_generator import OnnxGenerator

    exported = OnnxGenerator(tmp_path / "style.onnx", "style")
    z, labels = torch.randn(3, 5), torch.tensor([0, 2, 2])
    none = exported.run(z, labels, 0.0)
    assert (none[1] - none[2]).abs().max() == 0
    assert (none[0] - none[1]).abs().max() == 0  # one mean for all classes
    assert torch.equal(exported.run(z, labels, 1.0), exported.run(z, labels, 1.0))
