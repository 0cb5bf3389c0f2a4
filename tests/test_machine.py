"""Memory that is freed and asked for again stays with the process."""

import os
import subprocess
import sys

import pytest

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
PAGES = 3 * 50 * (4 << 20) // 4096  # if each block were given back


def pages(**environment: str) -> tuple[str, int]:
    words = [sys.executable, "-c", STEPS]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    said = subprocess.run(words, env=clean | environment, capture_output=True, check=True).stdout
    done, count = said.decode().split()
    return done, int(count)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_freed_memory_is_kept() -> None:
    assert pages()[0] == "True"
    assert pages()[1] < PAGES / 50


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_the_environment_comes_first() -> None:
    done, count = pages(MALLOC_MMAP_THRESHOLD_="65536")
    assert done == "False"
    assert count > PAGES / 2
