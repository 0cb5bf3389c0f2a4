"""Memory that is freed and asked for again stays with the process."""

import os
import subprocess
import sys

import pytest

from sparring.machine import OF_USER

# Frees and asks for 8 MB again and again, as a step does; prints how many pages came anew.
STEPS = """
import resource, torch
from sparring.machine import keep_freed_memory
print(keep_freed_memory())
def step():
    a = torch.ones(1 << 20); b = a + 1; c = b + 1
    return c.sum()
for _ in range(5): step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50): step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(**environment: str) -> tuple[str, int]:
    words = [sys.executable, "-c", STEPS]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(OF_USER)}
    said = subprocess.run(words, env=clean | environment, capture_output=True, check=True).stdout
    done, count = said.decode().split()
    return done, int(count)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_freed_memory_is_kept() -> None:
    done, count = pages()
    assert done == "True"
    # Where the system has pages of 2 MB there are few in any case.
    assert count < 50 < pages(MALLOC_MMAP_THRESHOLD_="65536")[1]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_the_environment_comes_first() -> None:
    assert pages(MALLOC_MMAP_THRESHOLD_="65536")[0] == "False"
