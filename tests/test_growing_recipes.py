"""`progressive` and `r3gan` on tiny networks: any size of batch and image, resuming, shipping."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import avg_pool2d

import sparring
from helpers import CPU, QUICK, D, G, a_move
from sparring.data import Dataset
from sparring.data.dataset import split_by_draw
from sparring.games.latent import LatentGame, latent_game
from sparring.model import read_model
from sparring.networks.growing import Growing
from sparring.recipes import load_recipe
from sparring.training import checkpoint
from sparring.training.state import State
from sparring.training.step import run_step

THIN = {"generator.width": 2, "discriminator.width": 2, "latent.size": 4}
TINY: dict[str, dict[str, Any]] = {
    # Grows after 3 and after 6 steps of 4 samples; fading in takes 9 samples.
    "progressive": THIN | {"growth": {"start": 4, "samples_each": 12, "fade": 0.75}},
    "r3gan": THIN,
}
SIZES = {"progressive": [8, 28, 100, 512], "r3gan": [8, 28, 100, 256]}


def images(channels: int, size: int, count: int = 60, classes: int = 0) -> Dataset:
    draw = torch.Generator().manual_seed(size)
    shape = (count, channels, size, size)
    values = torch.randint(0, 256, shape, dtype=torch.uint8, generator=draw)
    labels = torch.arange(count) % classes if classes else None
    names = tuple(str(k) for k in range(classes))
    return Dataset("noise", values, split_by_draw(count), labels=labels, classes=names)


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
    finite_after(tiny(name, images(1, 16), batch_size=batch_size))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("name", "size"), [(n, s) for n, sizes in SIZES.items() for s in sizes])
def test_grey_and_colour_train_at_every_kind_of_size(name: str, size: int, channels: int) -> None:
    changes = {"growth": {"start": 1000}, "generator.width": 1} if name == "progressive" else {}
    finite_after(tiny(name, images(channels, size, 8), batch_size=2, **changes), steps=1)


def test_real_images_fade_in_as_generated_ones_do() -> None:
    """Or the discriminator would tell them apart by detail that the generator cannot have yet."""
    game = tiny("progressive", images(1, 16), batch_size=4).game
    assert isinstance(game, LatentGame)
    move = a_move(batch_size=4)
    whole = game.batch(move).real
    game.before_step(12)  # the second resolution begins: nothing of it is seen yet
    blocks = avg_pool2d(whole, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(game.batch(move).real, blocks)
    game.before_step(12 + 9)  # and now all of it
    assert torch.equal(game.batch(move).real, whole)


@pytest.mark.parametrize("judged", ["projection", "auxiliary"])
@pytest.mark.parametrize("name", TINY)
def test_they_train_with_classes_penalties_and_in_bf16(name: str, judged: str) -> None:
    changes = {
        "generator.condition": "embedding",
        "discriminator.condition": judged,
        "precision": {G: "bf16", D: "bf16"},
        "penalties": [{"name": "r1"}, {"name": "gp"}],
        "batch_size": 4,
    }
    finite_after(tiny(name, images(3, 16, classes=3), **changes), steps=5)


@pytest.mark.parametrize("name", TINY)
def test_resumed_it_ends_as_if_it_had_never_stopped(name: str, tmp_path: Path) -> None:
    """Stopped while a resolution fades in; another one comes after that."""
    overrides = QUICK | TINY[name] | {"steps": 8, "batch_size": 4}
    data = images(1, 16)
    whole = sparring.train(name, data, tmp_path / "whole", overrides)
    # The schedules reach to the end of a run: this one stops on its way there.
    parts = tmp_path / "parts"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sparring.session.train", stopped_after(4))
        sparring.train(name, data, parts, overrides)
    assert checkpoint.read(parts / "checkpoints" / checkpoint.LAST).meta["step"] == 4
    resumed = sparring.train(data=data, out=parts, resume=True)
    found, expected = (
        checkpoint.read(run.folder.checkpoints / checkpoint.LAST).tensors
        for run in (resumed, whole)
    )
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())


def stopped_after(steps: int) -> Any:
    """The loop, which the clock ends after so many steps."""
    from sparring.training import loop

    def train(state: State, observers: Any, should_stop: Any, seconds: float) -> float:
        return loop.train(state, observers, lambda: state.step >= steps, seconds)

    return train


def test_players_grow_with_the_samples_seen_and_learn_on() -> None:
    state = tiny("progressive", images(1, 16), batch_size=4)
    game = state.game
    assert isinstance(game, LatentGame)
    stages, counts = [], []
    for _ in range(9):
        run_step(state)
        stages += {(one.level, one.alpha) for one in game.growing}
        optimizer = state.optimizers[G]
        counts.append(sorted({int(kept["step"]) for kept in optimizer.state.values()}))
        average = state.ema[G].module
        assert isinstance(average, Growing)
        assert (average.level, average.alpha) == stages[-1]
    assert [level for level, _ in stages] == [0] * 3 + [1] * 3 + [2] * 3
    faded = [0, 4 / 9, 8 / 9]
    assert [alpha for _, alpha in stages] == pytest.approx([1, 1, 1, *faded, *faded], abs=1e-6)
    # The moments of what was there before go on; what is new begins with its first step.
    assert counts[2] == [3]
    assert counts[8][-1] == 9
    assert counts[8][0] == 3


def test_before_its_growth_a_resolution_does_not_move() -> None:
    state = tiny("progressive", images(1, 16), batch_size=4)
    generator = state.game.players[G]
    before = {name: weight.clone() for name, weight in generator.named_parameters()}
    for _ in range(3):
        run_step(state)
    moved = {n for n, weight in generator.named_parameters() if not torch.equal(weight, before[n])}
    assert "blocks.0.0.weight" in moved
    assert not any(name.startswith(("blocks.1", "blocks.2", "to_image.1")) for name in moved)


def test_the_shipped_model_is_at_the_stage_of_its_weights(tmp_path: Path) -> None:
    """A run that ends before it is grown up ships what it has, at full size."""
    data, changes = images(3, 16), QUICK | TINY["progressive"] | {"batch_size": 4}
    for steps, level in ((2, 0), (5, 1), (12, 2)):
        run = sparring.train(
            "progressive", data, tmp_path / str(steps), changes | {"steps": steps, "tick": 1}
        )
        model = read_model(run.folder.model)
        last = checkpoint.read(run.folder.checkpoints / checkpoint.BEST)
        assert isinstance(model.generator, Growing)
        shipped = checkpoint.player_tensors(last, G)["stage"]
        assert torch.equal(model.generator.stage, shipped)
        assert model.generator.level <= level
        samples = run.sample(3)
        assert samples.shape == (3, 3, 16, 16)
        blocks = samples.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4)
        flat = bool((blocks == blocks[..., :1]).all())
        assert flat == (model.generator.level == 0)


def test_a_stage_between_two_can_be_exported(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs the extra export")
    changes = QUICK | TINY["progressive"] | {"batch_size": 4, "steps": 5}
    run = sparring.train("progressive", images(1, 16), tmp_path / "run", changes)
    assert run.export(tmp_path / "g.onnx")["max_abs_error"] < 1e-4
    answer = sparring.evaluate(tmp_path / "g.onnx", images(1, 16), ["fid"], samples=20)
    assert answer["fid"]["value"] > 0


def test_the_recipes_are_those_of_the_papers() -> None:
    progressive = load_recipe("progressive")
    assert progressive.discriminator.options().get("minibatch", "stddev") == "stddev"
    assert progressive.growth.start == 4
    r3gan = load_recipe("r3gan")
    assert r3gan.loss.pairing == "relativistic-paired"
    r1, r2 = r3gan.penalties
    assert (r1.name, r2.name) == ("r1", "r2")
    assert (r1.weight, r1.schedule) == (r2.weight, r2.schedule)
    rates = [r3gan.optimizer.generator.schedule.factor(share / 10) for share in range(11)]
    assert all(a > b for a, b in pairwise(rates))
