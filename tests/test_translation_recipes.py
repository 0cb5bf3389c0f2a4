"""`pix2pix`, `cyclegan` and `srgan` on tiny networks: batches, channels, resuming, use."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sparring
from helpers import CPU, QUICK, Command, D, G, a_move
from sparring.data import Dataset, open_data
from sparring.data.domains import with_inputs
from sparring.errors import InputError
from sparring.games import GAMES
from sparring.recipe import Data
from sparring.recipes import load_recipe
from sparring.training import checkpoint
from sparring.training.state import State
from sparring.training.step import run_step

TINY: dict[str, dict[str, Any]] = {
    "pix2pix": {
        "generator.width": 2,
        "discriminator.width": 2,
        "discriminator.layers": 1,
        "data.size": 16,
    },
    "cyclegan": {
        "generator.width": 2,
        "generator.blocks": 1,
        "discriminator.width": 2,
        "data.size": 16,
        "buffer": 5,
    },
    "srgan": {
        "generator.width": 2,
        "generator.blocks": 1,
        "discriminator.width": 2,
        "data.size": 16,
        "pretraining.samples": 12,
        "terms": [{"name": "content"}, {"name": "content-random"}],
    },
}
SHORT = QUICK | {"steps": 8, "batch_size": 4, "evaluation.final_metrics": ["kid"]}
REMEMBERED = {"pix2pix": "ema/generator", "cyclegan": "buffer_back", "srgan": "pretraining"}


def noise(inputs: str, channels: int = 1, size: int = 16, count: int = 60) -> Dataset:
    draw = torch.Generator().manual_seed(size)
    values = torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8, generator=draw)
    place = torch.arange(count)
    splits = {"train": place[20:], "select": place[:10], "test": place[10:20]}
    data = Data.model_validate({"inputs": inputs})
    return with_inputs(Dataset("noise", values, splits), data)


def tiny(name: str, dataset: Dataset | None = None, **changes: Any) -> State:
    recipe = load_recipe(name, TINY[name] | changes)
    dataset = dataset or noise(str(recipe.data.inputs))
    return State(GAMES[name](recipe, dataset, CPU), recipe, CPU)


def finite_after(state: State, steps: int = 2) -> None:
    for _ in range(steps):
        run_step(state)
    assert all(values.isfinite().all() for values in state.statistics.stacked().values())


@pytest.mark.parametrize("batch_size", [1, 2, 3])
@pytest.mark.parametrize("name", TINY)
def test_batches_of_one_to_three_train(name: str, batch_size: int) -> None:
    finite_after(tiny(name, batch_size=batch_size, **{"pretraining.samples": 2}), steps=4)


@pytest.mark.parametrize("size", [8, 12, 28])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", TINY)
def test_grey_and_colour_of_every_size_train(name: str, channels: int, size: int) -> None:
    inputs = {"pix2pix": "edges", "cyclegan": "inverted", "srgan": "small"}[name]
    if name == "srgan" and size < 16:
        with pytest.raises(InputError, match="no small versions"):
            noise(inputs, channels, size)
        return
    finite_after(tiny(name, noise(inputs, channels, size), batch_size=2, steps=1), steps=1)


@pytest.mark.parametrize("name", TINY)
def test_penalties_pairings_and_precisions_compose(name: str) -> None:
    changes = {
        "batch_size": 4,
        "pretraining.samples": 0,
        "precision": {G: "bf16", D: "bf16"},
        "loss.pairing": "relativistic-paired",
        "penalties": [{"name": "r1"}, {"name": "gp"}],
        "data.flip": True,
        "discriminator.spectral_norm": True,
        "repeats.discriminator": 2,
    }
    finite_after(tiny(name, **changes))


@pytest.mark.parametrize("name", TINY)
def test_micro_batches_give_the_gradients_of_the_batch(name: str) -> None:
    """Where nothing couples samples; the buffer is filled in the same order."""
    plain = {"batch_size": 4, "pretraining.samples": 0, "discriminator.normalization": "none"}
    plain |= {"optimizer.generator.name": "sgd", "optimizer.discriminator.name": "sgd"}
    plain |= {"precision": {G: "fp32", D: "fp32"}, "generator.normalization": "none"}
    if name == "pix2pix":
        plain["generator.dropout"] = 0.0
    ends = []
    for part in (4, 2):
        state = tiny(name, **plain, micro_batch=part)
        run_step(state)
        ends.append({k: v.clone() for k, v in state.game.players[G].state_dict().items()})
    for key, tensor in ends[0].items():
        torch.testing.assert_close(ends[1][key], tensor, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", TINY)
def test_resumed_it_ends_as_if_it_had_never_stopped(name: str, tmp_path: Path) -> None:
    overrides = SHORT | TINY[name] | {f"optimizer.{p}.schedule": "constant" for p in (G, D)}
    whole = sparring.train(name, out=tmp_path / "whole", overrides=overrides)
    sparring.train(name, out=tmp_path / "parts", overrides=overrides | {"steps": 4})
    parts = sparring.train(out=tmp_path / "parts", overrides={"steps": 8}, resume=True)
    found, expected = (
        checkpoint.read(run.folder.checkpoints / checkpoint.LAST).tensors for run in (parts, whole)
    )
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())
    assert any(REMEMBERED[name] in key for key in found)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A short run of each recipe."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        name: sparring.train(name, out=folder / name, overrides=SHORT | TINY[name]).path
        for name in TINY
    }


@pytest.mark.parametrize("name", TINY)
def test_a_run_has_all_that_other_runs_have(name: str, runs: dict[str, Path]) -> None:
    folder = runs[name]
    assert {path.name for path in folder.iterdir()} >= {
        *("recipe.yaml", "history.jsonl", "samples", "evolution.gif", "checkpoints", "model"),
        *("metrics.json", "findings.json", "report.html"),
    }
    config = json.loads((folder / "model" / "config.json").read_text())
    dataset = open_data(load_recipe(folder / "recipe.yaml").data)
    assert dataset.source is not None
    assert tuple(config["input_shape"]) == dataset.source.shape
    assert config["data"]["fingerprint"] == dataset.fingerprint
    assert "[N, latent" not in (folder / "model" / "README.md").read_text()
    page = (folder / "report.html").read_text()
    assert "Inputs and what is made of them" in page
    assert "Interpolation" not in page
    with Image.open(folder / "samples" / "8.png") as picture:
        assert picture.width > 3 * dataset.shape[2]
    generator = sparring.load(folder)
    made = generator(torch.zeros(1, *dataset.source.shape))
    assert made.shape == (1, *dataset.shape)
    assert not generator.training


def test_both_generators_of_cyclegan_are_shipped(runs: dict[str, Path]) -> None:
    folder = runs["cyclegan"] / "model"
    there, back = sparring.load(folder), sparring.load(folder / "back")
    best = checkpoint.read(runs["cyclegan"] / "checkpoints" / checkpoint.BEST)
    for module, player in ((there, "generator"), (back, "generator_back")):
        shipped = checkpoint.player_tensors(best, player)
        assert all(torch.equal(shipped[k], v) for k, v in module.state_dict().items())
    name = next(iter(there.state_dict()))
    assert not torch.equal(there.state_dict()[name], back.state_dict()[name])


@pytest.mark.parametrize("name", TINY)
def test_evaluate_scores_what_is_made_of_held_out_inputs(name: str, runs: dict[str, Path]) -> None:
    metrics = ["kid", "l1", "psnr"]  # the built-in truth of cyclegan is known too
    records = sparring.evaluate(runs[name], metrics=metrics)
    assert {record["samples_fake"] for record in records.values()} == {500}
    dataset = open_data(load_recipe(runs[name] / "recipe.yaml").data)
    assert dataset.source is not None
    inputs = dataset.source.split("test")
    made = torch.stack([sparring.translate(runs[name], one) for one in inputs[:40]])
    away = (made.float() - dataset.split("test")[:40].float()).abs().mean().item() / 255
    assert records["l1"]["value"] == pytest.approx(away, rel=0.3)
    with pytest.raises(InputError, match="needs a generator"):
        sparring.evaluate(runs[name], metrics=["ppl"])


def test_other_data_are_scored_in_the_same_way(runs: dict[str, Path]) -> None:
    plain = sparring.evaluate(runs["pix2pix"], metrics=["l1"])
    named = sparring.evaluate(runs["pix2pix"], data="mnist5k", metrics=["l1"])
    assert plain["l1"]["value"] == named["l1"]["value"]
    with pytest.raises(InputError, match="has no inputs"):
        sparring.evaluate(runs["pix2pix"], data=open_data(Data(size=16)), metrics=["l1"])


def test_l1_and_psnr_need_pairs(runs: dict[str, Path], images: Path) -> None:
    for metric in ("l1", "psnr"):
        with pytest.raises(InputError, match=f"`{metric}` needs pairs"):
            sparring.evaluate(images, metrics=[metric], samples=50)


def picture(path: Path, size: tuple[int, int], mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(sum(size))
    shape = (size[1], size[0], *((len(mode),) if len(mode) > 1 else ()))
    Image.fromarray(draw.integers(0, 256, shape).astype(np.uint8), mode).save(path)


@pytest.mark.parametrize("name", TINY)
def test_images_of_the_users_own(
    name: str, runs: dict[str, Path], tmp_path: Path, command: Command
) -> None:
    given, out = tmp_path / "mine", tmp_path / "made"
    picture(given / "a.png", (37, 21))
    picture(given / "b.jpg", (9, 50))
    picture(given / "b.webp", (5, 5))
    picture(given / "deeper" / "see through.png", (8, 8), "RGBA")
    picture(given / "grey.bmp", (1, 1), "L")
    (given / "broken.png").write_bytes(b"nothing")
    (given / "notes.txt").write_text("no image")
    found = command("sample", str(runs[name]), "--input", str(given), "--out", str(out), "--json")
    assert found.code == 0
    assert found.value.keys() == {"path", "count", "seconds"}
    assert found.value["count"] == 5
    assert "`broken.png` left out: cannot be read as an image" in found.stderr
    scale = 4 if name == "srgan" else 1
    sizes = {
        *{("a.png", 37, 21), ("b.jpg.png", 9, 50), ("b.webp.png", 5, 5), ("grey.png", 1, 1)},
        ("deeper/see through.png", 8, 8),
    }
    made = {path.relative_to(out).as_posix(): Image.open(path) for path in out.rglob("*.png")}
    assert {(k, *one.size) for k, one in made.items()} == {
        (k, scale * width, scale * height) for k, width, height in sizes
    }
    channels = json.loads((runs[name] / "model" / "config.json").read_text())["input_shape"][0]
    one = np.asarray(Image.open(given / "a.png").convert("L" if channels == 1 else "RGB"))
    planes = torch.from_numpy(one.copy()).view(21, 37, channels).permute(2, 0, 1)
    mine = sparring.translate(runs[name], planes).permute(1, 2, 0).squeeze()
    assert torch.equal(mine, torch.from_numpy(np.asarray(made["a.png"]).copy()))


def test_wrong_uses_are_told(
    runs: dict[str, Path], images: Path, tmp_path: Path, command: Command
) -> None:
    picture(tmp_path / "mine" / "a.png", (8, 8))
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"x")
    run, mine, out = str(runs["pix2pix"]), str(tmp_path / "mine"), str(tmp_path / "out")
    for words, told in {
        ("sample", str(images), "--input", mine, "--out", out): "makes images of latents",
        ("sample", run, "--out", out): "--input FOLDER",
        ("sample", run, "--out", f"{out}.png"): "--input FOLDER",
        ("sample", run, "--input", mine, "--out", f"{out}.png"): "name a folder",
        ("sample", run, "--input", mine, "--out", mine): "written over",
        ("sample", run, "--input", f"{mine}x", "--out", out): "does not exist",
        ("sample", run, "--input", str(tmp_path / "empty"), "--out", out): "holds no images",
        ("sample", run, "--input", str(tmp_path / "broken"), "--out", out): "none of 1 files",
        ("sample", run, "--input", mine, "--out", out, "--label", "3"): "leave them out",
        ("export", run, f"{out}.onnx"): "only generators of latents are exported",
    }.items():
        found = command(*words, "--json")
        assert found.code == 2, words
        assert told in json.dumps(found.value), words


@pytest.mark.parametrize(
    ("recipe", "overrides", "told"),
    [
        ("digits", {"data.inputs": "edges"}, "makes images of latents"),
        ("pix2pix", {"data.inputs": None}, "has no inputs"),
        ("pix2pix", {"data.inputs": "inverted"}, "no pairs to learn from"),
        ("pix2pix", {"data.inputs": "small"}, "differ in size"),
        ("pix2pix", {"generator.name": "dcgan"}, "takes latents"),
        ("pix2pix", {"augment.name": "diffaugment"}, "away from their inputs"),
        ("digits", {"generator.name": "unet"}, "takes images"),
        ("srgan", {"data.inputs": "edges"}, "doubles the size"),
        ("pix2pix", {"discriminator.layers": 4}, "leaves no patches"),
        ("digits", {"terms": [{"name": "l1"}]}, "the one that belongs to its input"),
        ("pix2pix", {"terms": [{"name": "cycle"}]}, "a generator for each direction"),
        ("cyclegan", {"terms": [{"name": "content"}]}, "the one that belongs to its input"),
        ("pix2pix", {"data.name": "ring"}, "holds vectors"),
        ("srgan", {"terms": [{"name": "content-vgg16"}]}, "which is missing"),
    ],
)
def test_recipes_that_cannot_be_are_refused(
    recipe: str,
    overrides: dict[str, Any],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    tiny = {"pretraining.samples": 0} if recipe == "srgan" else {}
    with pytest.raises(InputError) as problem:
        sparring.train(recipe, out=tmp_path / "run", overrides=SHORT | tiny | overrides)
    assert told in problem.value.message


def test_every_term_of_content_sees_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models.vgg import cfgs, make_layers

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth"
    path.parent.mkdir(parents=True)
    layers = make_layers(cfgs["D"])
    torch.save({f"features.{key}": tensor for key, tensor in layers.state_dict().items()}, path)
    for name in ("content", "content-random", "content-vgg16"):
        state = tiny("srgan", terms=[{"name": name}], batch_size=2)
        term = state.game.phases[-1].terms[1]
        batch = state.game.batch(a_move(G, batch_size=2))
        far = term.fn(batch).mean()
        batch.__dict__["fake"] = batch.real.clone()
        batch.__dict__.pop("on_fake", None)
        assert far > 0
        assert term.fn(batch).mean() < 1e-9 + 1e-6 * far


def test_folders_of_ones_own_train_from_the_command_line(tmp_path: Path, command: Command) -> None:
    for k in range(12):
        for folder in "AB":
            picture(tmp_path / "set" / folder / f"{k}.png", (20, 18 if folder == "A" else 20))
    for name in ("pix2pix", "cyclegan"):
        words = [f"{key}={json.dumps(value)}" for key, value in (SHORT | TINY[name]).items()]
        out = str(tmp_path / name)
        found = command(
            "train", name, *words, "--data", str(tmp_path / "set"), "--out", out, "--json"
        )
        assert found.code == 0
        assert open_data(load_recipe(Path(out) / "recipe.yaml").data).shape == (3, 16, 16)
        assert command("report", out, "--json").code == 0
        assert command("evaluate", out, "--metrics", "kid", "--json").code == 0
    assert "differ in their proportions" in found.stderr or name == "cyclegan"


def test_what_is_unpaired_stays_so(runs: dict[str, Path]) -> None:
    data = open_data(load_recipe(runs["cyclegan"] / "recipe.yaml").data)
    alone = replace(data, pairs=())
    records = sparring.evaluate(runs["cyclegan"], data=alone, metrics=["kid"])
    assert records["kid"]["samples_fake"] == 500
    with pytest.raises(InputError, match="needs pairs"):
        sparring.evaluate(runs["cyclegan"], data=alone, metrics=["l1"])
