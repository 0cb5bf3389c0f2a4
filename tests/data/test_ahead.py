"""Reading ahead changes when rows are read, never which."""

import os
from pathlib import Path

import pytest
import torch

from helpers import samples_of, small_game, small_state
from sparring.data import Ahead, Sampler, open_data, write_packed
from sparring.errors import InputError
from sparring.recipe import Data
from sparring.training.step import run_step

DATASET = samples_of(torch.arange(50 * 4, dtype=torch.float32).view(50, 4))


@pytest.mark.parametrize("positions", [range(0, 300, 8), [0, 8, 24, 24, 0, 160, 152]])
@pytest.mark.parametrize("parts", [[slice(0, 8)], [slice(0, 3), slice(3, 8)]])
def test_the_rows_are_those_of_the_sampler(positions: list[int], parts: list[slice]) -> None:
    sampler = Sampler(torch.arange(40), seed=1)
    ahead = Ahead(DATASET, sampler)
    for position in positions:
        for part in parts:
            wanted = DATASET.values[Sampler(torch.arange(40), seed=1).at(position, 8)[part]]
            assert torch.equal(ahead.rows(position, 8, part), wanted)
    assert len(ahead._coming) <= 2 * len(parts)


def test_the_next_batch_is_read_before_it_is_asked_for() -> None:
    ahead = Ahead(DATASET, Sampler(torch.arange(40), seed=1))
    ahead.rows(0, 8, slice(0, 8))
    ((key, coming),) = ahead._coming.items()
    assert key == (8, 0, 8)
    wanted = DATASET.values[Sampler(torch.arange(40), seed=1).at(8, 8)]
    assert torch.equal(torch.from_numpy(coming.result(timeout=10)), wanted)


@pytest.mark.parametrize("at_once", [0, 2**28])
def test_a_packed_set_trains_as_one_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("sparring.games.latent.READ_AT_ONCE", at_once)
    dataset = samples_of(torch.randn(60, 2, generator=torch.Generator().manual_seed(0)))
    write_packed(dataset, tmp_path / "d.safetensors")
    mapped = open_data(Data(name=str(tmp_path / "d.safetensors")))
    states = [small_state(game=small_game(dataset=one)) for one in (dataset, mapped)]
    assert [state.game.ahead is not None for state in states] == [False, at_once == 0]
    for state in states:
        for _ in range(12):
            run_step(state)
    first, second = (state.game.players["generator"].state_dict() for state in states)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("left", [0, 5000])
def test_a_file_that_is_cut_under_its_readers_is_an_error(tmp_path: Path, left: int) -> None:
    path = tmp_path / "d.safetensors"
    write_packed(samples_of(torch.randn(4000, 2)), path)
    mapped = open_data(Data(name=str(path)))
    ahead = Ahead(mapped, Sampler(mapped.splits["train"], seed=1))
    os.truncate(path, left)
    for read in (lambda: ahead.rows(0, 8, slice(0, 8)), lambda: mapped.split("test")):
        with pytest.raises(InputError, match=f"cut short.* {left:,} bytes are left of"):
            read()


def test_a_file_that_is_removed_or_replaced_can_still_be_read(tmp_path: Path) -> None:
    path = tmp_path / "d.safetensors"
    dataset = samples_of(torch.randn(4000, 2))
    write_packed(dataset, path)
    mapped = open_data(Data(name=str(path)))
    path.unlink()
    assert torch.equal(mapped.split("test"), dataset.split("test"))
    path.write_bytes(b"another")
    assert torch.equal(mapped.split("test"), dataset.split("test"))


def test_a_run_tells_that_its_file_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "d.safetensors"
    write_packed(samples_of(torch.randn(4000, 2)), path)
    state = small_state(game=small_game(dataset=open_data(Data(name=str(path)))))
    run_step(state)
    os.truncate(path, 0)
    with pytest.raises(InputError, match="cut short"):
        run_step(state)
