"""Sums over real processes through memory that they share."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sparring.shared_memory import FOLDER, SLOT, SharedMemory, size_of

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no memory of this kind here")

PEER = """
import os, sys, torch
from sparring.shared_memory import SharedMemory
memory = SharedMemory(os.open(sys.argv[1], os.O_RDWR), 1, 2, 60)
print("here", flush=True)
for seed in map(int, sys.argv[2:]):
    x = torch.randn(seed, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    memory.add_up(x)
print(x[-1].item())
"""
SIZES = (7, 100, 3 * SLOT // 8 + 1, 5)  # the third is larger than a slot


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(prefix="sparring-test-", dir=FOLDER) as file:
        file.truncate(size_of(2))
        yield Path(file.name)


def peer(path: Path, *sizes: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", PEER, str(path), *map(str, sizes)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"  # who is not here yet would be taken for gone
    return process


def test_both_get_the_same_sum(path: Path) -> None:
    process = peer(path, *SIZES)
    with path.open("r+b") as file:
        memory = SharedMemory(file.fileno(), 0, 2, 60)
        for size in SIZES:
            theirs = torch.randn(
                size, generator=torch.Generator().manual_seed(size), dtype=torch.float64
            )
            ours = torch.arange(size, dtype=torch.float64)
            expected = ours + theirs
            memory.add_up(ours)
            assert torch.equal(ours, expected)
    out, _ = process.communicate(timeout=60)
    assert float(out) == ours[-1]


def test_who_waits_for_one_that_has_ended_is_told(path: Path) -> None:
    process = peer(path, 3)
    with path.open("r+b") as file:
        memory = SharedMemory(file.fileno(), 0, 2, 60)
        memory.add_up(torch.ones(3, dtype=torch.float64))
        with pytest.raises(RuntimeError, match="Connection closed by peer 1"):
            memory.add_up(torch.ones(3, dtype=torch.float64))
    assert process.wait(timeout=60) == 0


def test_patience_ends(path: Path) -> None:
    """Also with one that lives, but never comes: here it is this process, which holds no lock."""
    with path.open("r+b") as file:
        memory = SharedMemory(file.fileno(), 0, 2, 0.01)
        with pytest.raises(RuntimeError, match="Timed out waiting for peer 1"):
            memory.add_up(torch.ones(1))
