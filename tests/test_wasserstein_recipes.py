"""The Wasserstein family on tiny networks: what a step does, any size of batch, resuming."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import sparring
from helpers import CPU, QUICK, THIN, D, G
from sparring.data import Dataset
from sparring.data.dataset import split_by_draw
from sparring.games.latent import LatentGame, latent_game
from sparring.objectives import Term
from sparring.recipes import load_recipe
from sparring.training import checkpoint
from sparring.training.state import State
from sparring.training.step import run_step

NAMES = ("wgan", "wgan-gp", "lsgan")
TINY = {"generator.width": 2, "discriminator.width": 2, "latent.size": 4}


def images(channels: int, size: int, count: int = 60) -> Dataset:
    draw = torch.Generator().manual_seed(size)
    shape = (count, channels, size, size)
    values = torch.randint(0, 256, shape, dtype=torch.uint8, generator=draw)
    return Dataset("noise", values, split_by_draw(count))


def tiny(name: str, dataset: Dataset, **changes: Any) -> State:
    recipe = load_recipe(name, TINY | changes)
    return State(latent_game(recipe, dataset, CPU), recipe, CPU)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_batches_of_one_to_three_train(name: str, batch_size: int) -> None:
    state = tiny(name, images(1, 28), batch_size=batch_size)
    for _ in range(2):
        run_step(state)
    assert all(values.isfinite().all() for values in state.statistics.stacked().values())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 28, 100, 256])
@pytest.mark.parametrize("name", NAMES)
def test_grey_and_colour_at_every_kind_of_size(name: str, size: int, channels: int) -> None:
    state = tiny(name, images(channels, size, count=8), batch_size=2)
    run_step(state)
    assert all(values.isfinite().all() for values in state.statistics.stacked().values())


@pytest.mark.parametrize("name", NAMES)
def test_resumed_it_ends_as_if_it_had_never_stopped(name: str, tmp_path: Path) -> None:
    overrides = QUICK | THIN | {"steps": 8, "batch_size": 4}
    whole = sparring.train(name, images(1, 28), tmp_path / "whole", overrides)
    sparring.train(name, images(1, 28), tmp_path / "parts", overrides | {"steps": 4})
    parts = sparring.train(
        data=images(1, 28), out=tmp_path / "parts", overrides={"steps": 8}, resume=True
    )
    found, expected = (
        checkpoint.read(run.folder.checkpoints / checkpoint.LAST).tensors for run in (parts, whole)
    )
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())


def watched(state: State) -> tuple[list[Tensor], list[Tensor]]:
    """Lists that grow by the real and the fake samples of each of the critic's moves."""
    reals: list[Tensor] = []
    fakes: list[Tensor] = []

    def look(batch: Any) -> Tensor:
        reals.append(batch.real.detach())
        fakes.append(batch.fake.detach())
        return batch.real.new_zeros(1)

    state.game.phases[0].terms.append(Term("look", look))
    return reals, fakes


@pytest.mark.parametrize("name", ["wgan", "wgan-gp"])
def test_each_of_the_critics_five_moves_has_samples_of_its_own(name: str) -> None:
    state = tiny(name, images(1, 28, count=200), batch_size=8)
    reals, fakes = watched(state)
    run_step(state)
    assert len(reals) == len(fakes) == 5
    # 40 of the training images, none of them twice: a step goes through the data's own order.
    assert len(torch.cat(reals).flatten(1).unique(dim=0)) == 40
    assert all(not torch.equal(one, other) for one, other in pairwise(fakes))
    run_step(state)
    assert len(torch.cat(reals).flatten(1).unique(dim=0)) == 80


def test_the_clipped_critic_stays_within_its_bounds() -> None:
    state = tiny("wgan", images(1, 28), batch_size=4)
    for _ in range(3):
        run_step(state)
        weights = torch.cat([p.flatten() for p in state.game.players[D].parameters()])
        assert weights.abs().max() <= 0.03
    assert max(p.abs().max() for p in state.game.players[G].parameters()) > 0.03


@pytest.mark.parametrize("name", ["wgan", "wgan-gp"])
def test_the_critics_are_those_of_the_papers(name: str) -> None:
    state = tiny(name, images(1, 28))
    critic_phase, generator_phase = state.game.phases
    assert (critic_phase.repeats, generator_phase.repeats) == (5, 1)
    assert isinstance(state.game, LatentGame)
    assert state.game.judges_alone  # nothing in it looks at other samples
    names = [term.name for term in critic_phase.terms]
    assert names == (["adversarial", "gp"] if name == "wgan-gp" else ["adversarial"])
    assert {type(one).__name__ for one in state.optimizers.values()} == {
        "wgan": {"RMSprop"},
        "wgan-gp": {"Adam"},
    }[name]
