"""An interrupted packing goes on where it was, and ends as if nothing had happened."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import in_a_shell
from sparring.data import open_data
from sparring.data.partial import PART, Partial
from sparring.errors import InputError
from sparring.recipe import Data

COUNT = 6 * PART
PACK = [sys.executable, "-m", "sparring", "data", "pack"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some thousand small images, one in a hundred of them damaged."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("many")
    for number in range(COUNT):
        buffer = BytesIO()
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(buffer, "BMP")
        content = buffer.getvalue()
        name = folder / f"{number % 2}" / f"{number:05}.bmp"
        name.parent.mkdir(exist_ok=True)
        name.write_bytes(content[:100] if number % 100 == 7 else content)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "packed"


def lines(journals: Iterator[Path]) -> int:
    return sum(len(path.read_text().splitlines()) for path in journals)


def test_a_killed_packing_goes_on(folder: Path, cache: Path, tmp_path: Path) -> None:
    whole = open_data(Data(name=str(folder), size=64))
    (packed,) = cache.iterdir()
    packed.unlink()
    words = [*PACK, str(folder)]
    words += [str(tmp_path / "out.safetensors"), "--size", "64"]
    gently = ["nice", "-n", "19", *words]  # or it might be done before this one looks again
    process = subprocess.Popen(gently, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 60
    while lines(cache.glob("*.jsonl")) < 2 and time.monotonic() < deadline:
        assert process.poll() is None, "it was done before it could be killed"
        time.sleep(0.001)
    process.kill()
    process.wait()
    done = lines(cache.glob("*.jsonl")) * PART
    assert 0 < done < COUNT
    answer = in_a_shell(*words[words.index("data") :])
    assert answer.code == 0, answer.stderr
    assert f"packing goes on at image {done:,} of {COUNT:,}\n" in answer.stderr
    again = open_data(Data(name=str(tmp_path / "out.safetensors")))
    assert again.fingerprint == whole.fingerprint
    assert again.notes == whole.notes
    assert any(note.startswith("62 of 6,144 left out") for note in again.notes)
    assert [path.suffix for path in cache.iterdir()] == [".safetensors"]
    while workers_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not workers_of(process.pid)  # they end with what they work for


def workers_of(session: int) -> list[int]:
    """Processes that still run in a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, own = path.read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(own) == session and state != "Z":
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("damage", ["journal", "images"])
def test_only_what_is_whole_is_taken_up(tmp_path: Path, damage: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3 * PART, 1, 2, 2), dtype=np.uint8)
    with (tmp_path / "x.part").open("a+b") as raw:
        partial = Partial(raw, tmp_path / "x.jsonl")
        for start in range(0, 3 * PART, PART):
            kept = range(start, start + PART)
            partial.add(images[start : start + PART], PART, kept, True, {"palette": ["a", "b"]})
    if damage == "journal":
        text = (tmp_path / "x.jsonl").read_text()
        (tmp_path / "x.jsonl").write_text(text[:-10])
    else:
        os.truncate(tmp_path / "x.part", 3 * PART * 4 - 1)
    with (tmp_path / "x.part").open("a+b") as raw:
        again = Partial(raw, tmp_path / "x.jsonl")
        again.resume(4)
        assert (again.done, again.kept) == (2 * PART, list(range(2 * PART)))
        assert (again.counts["palette"], again.shown["palette"]) == (4, ["a", "b", "a"])
        again.add(images[2 * PART :], PART, range(2 * PART, 3 * PART), True, {})
    assert (tmp_path / "x.part").read_bytes() == images.tobytes()


@pytest.fixture(scope="module")
def slow(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images, and after them some that take seconds: a machine that is busy sees those."""
    slow = tmp_path_factory.mktemp("slow") / "images"
    shutil.copytree(folder, slow, copy_function=os.link)
    first, *others = (slow / "2" / f"{number}.webp" for number in range(2 * PART))
    first.parent.mkdir()
    noise = np.random.default_rng(1).integers(0, 256, (1500, 1500, 3), dtype=np.uint8)
    Image.fromarray(noise).save(first, lossless=True, method=0, quality=0)
    for other in others:
        os.link(first, other)
    return slow


def test_an_interrupt_keeps_what_is_done(slow: Path, cache: Path) -> None:
    words = [*PACK, str(slow)]
    process = subprocess.Popen([*words, str(cache / "o.safetensors"), "--size", "64"])
    while not lines(cache.glob("*.jsonl")):
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert lines(cache.glob("*.jsonl"))


def test_two_at_once_make_it_once(folder: Path, cache: Path) -> None:
    code = "import sparring.data, sparring.recipe as r; "
    code += f"print(sparring.data.open_data(r.Data(name={str(folder)!r})).fingerprint)"
    pipe = subprocess.PIPE
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=pipe) for _ in range(2)]
    answers = [process.communicate(timeout=120)[0] for process in both]
    assert answers[0] == answers[1] != b""
    assert len(list(cache.iterdir())) == 1


def test_too_few_images_leave_nothing_behind(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "few").mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / "few" / "a.png")
    with pytest.raises(InputError, match="1 images that can be read"):
        open_data(Data(name=str(tmp_path / "few")))
    assert not list(cache.iterdir())
