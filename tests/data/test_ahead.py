"""Reading ahead changes when rows are read, never which."""

from pathlib import Path

import pytest
import torch

from helpers import samples_of, small_game, small_state
from sparring.data import Ahead, Sampler, open_data, write_packed
from sparring.recipe import Data
from sparring.training.step import run_step

VALUES = torch.arange(50 * 4, dtype=torch.float32).view(50, 4)


@pytest.mark.parametrize("positions", [range(0, 300, 8), [0, 8, 24, 24, 0, 160, 152]])
@pytest.mark.parametrize("parts", [[slice(0, 8)], [slice(0, 3), slice(3, 8)]])
def test_the_rows_are_those_of_the_sampler(positions: list[int], parts: list[slice]) -> None:
    sampler = Sampler(torch.arange(40), seed=1)
    ahead = Ahead(VALUES, sampler)
    for position in positions:
        for part in parts:
            wanted = VALUES[Sampler(torch.arange(40), seed=1).at(position, 8)[part]]
            assert torch.equal(ahead.rows(position, 8, part), wanted)
    assert len(ahead._coming) <= 2 * len(parts)


def test_the_next_batch_is_read_before_it_is_asked_for() -> None:
    ahead = Ahead(VALUES, Sampler(torch.arange(40), seed=1))
    ahead.rows(0, 8, slice(0, 8))
    ((key, coming),) = ahead._coming.items()
    assert key == (8, 0, 8)
    wanted = VALUES[Sampler(torch.arange(40), seed=1).at(8, 8)]
    assert torch.equal(torch.from_numpy(coming.result(timeout=10)), wanted)


def test_a_packed_set_trains_as_one_in_memory(tmp_path: Path) -> None:
    dataset = samples_of(torch.randn(60, 2, generator=torch.Generator().manual_seed(0)))
    write_packed(dataset, tmp_path / "d.safetensors")
    mapped = open_data(Data(name=str(tmp_path / "d.safetensors")))
    states = [small_state(game=small_game(dataset=one)) for one in (dataset, mapped)]
    assert [state.game.ahead is not None for state in states] == [False, True]
    for state in states:
        for _ in range(12):
            run_step(state)
    first, second = (state.game.players["generator"].state_dict() for state in states)
    assert all(torch.equal(first[name], second[name]) for name in first)
