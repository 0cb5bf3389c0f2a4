"""The order of samples is a function of seed and position, however it is cut into batches."""

import pytest
import torch

from sparring.data import Sampler

INDICES = torch.arange(100, 137)  # 37 samples, so that batches straddle passes


def sequence(count: int, seed: int = 0) -> torch.Tensor:
    return Sampler(INDICES, seed).at(0, count)


def test_every_pass_covers_each_sample_once_in_another_order() -> None:
    passes = sequence(4 * 37).split(37)
    for order in passes:
        assert torch.equal(order.sort().values, INDICES)
    assert len({tuple(order.tolist()) for order in passes}) == 4


@pytest.mark.parametrize("size", [1, 5, 36, 37, 38, 100])
def test_cutting_does_not_change_the_order(size: int) -> None:
    sampler = Sampler(INDICES, 0)
    chunks = [sampler.at(start, size) for start in range(0, 300, size)]
    assert all(len(chunk) == size for chunk in chunks)
    assert torch.equal(torch.cat(chunks)[:300], sequence(300))


def test_any_position_can_be_asked_for_in_any_order() -> None:
    expected, sampler = sequence(400), Sampler(INDICES, 0)
    for position in (390, 10, 73, 74, 0, 250, 35):
        assert torch.equal(sampler.at(position, 9), expected[position : position + 9])


def test_the_seed_chooses_the_order() -> None:
    assert torch.equal(sequence(37, seed=5), sequence(37, seed=5))
    assert not torch.equal(sequence(37, seed=5), sequence(37, seed=6))


def test_a_long_run_remembers_no_more_than_two_passes() -> None:
    sampler = Sampler(INDICES, 0)
    for position in range(0, 37 * 50, 8):
        sampler.at(position, 8)
    assert len(sampler._passes) <= 2
