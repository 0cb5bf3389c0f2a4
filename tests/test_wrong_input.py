"""Wrong input on the command line: exit code 2, what is wrong and what to do; nothing is lost."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import sparring
from helpers import QUICK, Command, in_a_shell, small_state, words_of
from sparring.errors import DiskFull
from sparring.run import RunFolder
from sparring.training import checkpoint
from wrong_inputs import WRONG, Content, Wrong

# Nothing in it depends on the number of steps, which may grow.
RING = QUICK | {
    "penalties": [],
    "generator.width": [8],
    "discriminator.width": [8],
    "optimizer.generator.schedule": "constant",
    "optimizer.discriminator.schedule": "constant",
}


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of `ring`."""
    return sparring.train("ring", out=tmp_path_factory.mktemp("ring") / "run", overrides=RING).path


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of `cgan`."""
    small = QUICK | {"generator.width": [8], "discriminator.width": [8], "steps": 2}
    return sparring.train("cgan", out=tmp_path_factory.mktemp("cgan") / "run", overrides=small).path


def put(path: Path, content: Content) -> None:
    if content is None:
        path.unlink()
    elif callable(content):
        content(path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below a folder."""
    return {str(p): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_input_is_told_with_the_fix(
    wrong: Wrong,
    command: Command,
    images: Path,
    ring: Path,
    classes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    places = {"@run": str(images), "@ring": str(ring), "@classes": str(classes)}
    words = [places.get(word, word) for word in shlex.split(wrong.words)]
    if "copy" in words:
        shutil.copytree(ring, "copy")
    for name, content in wrong.files.items():
        put(tmp_path / name, content)
    before = contents(tmp_path)
    answer = command(*words, "--json")
    assert answer.code == 2, answer
    error = answer.value["error"]
    assert set(error) == {"code", "message", "hint"}
    assert error["code"] == "input"
    assert wrong.message in error["message"]
    assert wrong.fix in f"{error['message']} {error['hint']}"
    assert error["hint"], "what is the user to do?"
    assert "\n" not in error["message"] + error["hint"]
    assert len(error["message"]) < 2000
    # A person reads the same, at the end.
    assert answer.stderr.endswith(f"{error['message']}\n{error['hint']}\n")
    assert "Traceback" not in answer.stderr
    assert contents(tmp_path) == before  # nothing is lost, nothing left behind


def test_there_are_enough_rows() -> None:
    assert len(WRONG) >= 40
    assert len({row.words + str(row.files) for row in WRONG.values()}) == len(WRONG)


@pytest.mark.parametrize("words", ["train digts", "train --recipe x", "sample . --out x.png"])
def test_without_json_there_is_nothing_on_stdout(
    words: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain, as_json = command(*words.split()), command(*words.split(), "--json")
    assert (plain.code, plain.stdout) == (2, "")
    assert plain.stderr == as_json.stderr


def test_an_error_from_a_shell(tmp_path: Path) -> None:
    answer = in_a_shell("train", "discrimnator.width=8", "--json", folder=tmp_path)
    assert answer.code == 2
    assert answer.value["error"]["hint"] == "did you mean `discriminator.width`?"
    assert answer.stderr.splitlines()[0] == answer.value["error"]["message"]


def test_what_nobody_foresaw_is_json_as_well(
    command: Command, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of ours has a traceback, for the report of it, and still one value on stdout."""

    def broken(run: Path) -> Path:
        raise ZeroDivisionError("no memory format")  # which is not about room in memory

    monkeypatch.setattr("sparring.report.write_report", broken)
    answer = command("report", str(ring), "--json")
    assert answer.code == 1
    assert answer.value["error"]["message"] == "unexpected ZeroDivisionError: no memory format"
    assert "in broken" in answer.stderr
    assert "report it" in answer.value["error"]["hint"]


def test_too_little_memory_is_told(
    command: Command, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(run: Path) -> Path:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 TB")

    monkeypatch.setattr("sparring.report.write_report", greedy)
    answer = command("report", str(ring), "--json")
    assert answer.code == 1
    assert answer.value["error"]["code"] == "memory"
    assert "batch_size" in answer.value["error"]["hint"]
    assert "Traceback" not in answer.stderr


def test_a_checkpoint_of_another_version_is_told(
    command: Command, ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, but with a recipe that this version does not know."""
    folder = Path(shutil.copytree(ring, tmp_path / "copy"))
    read = checkpoint.read

    def older(path: Path) -> checkpoint.Checkpoint:
        found = read(path)
        found.meta["recipe"]["momentum"] = 0.9
        found.meta["version"] = "0.0.1"
        return found

    monkeypatch.setattr(checkpoint, "read", older)
    answer = command("train", "--resume", "--out", str(folder), "--json")
    assert answer.code == 2
    assert "written by version 0.0.1" in answer.value["error"]["message"]
    assert "--init" in answer.value["error"]["hint"]


@pytest.mark.parametrize("damage", ["missing", "broken"])
def test_a_best_checkpoint_that_is_gone_is_told_and_chosen_anew(
    ring: Path, tmp_path: Path, command: Command, damage: str
) -> None:
    folder = RunFolder(shutil.copytree(ring, tmp_path / "copy"))
    best = folder.checkpoints / checkpoint.BEST
    best.unlink()
    if damage == "broken":
        best.write_bytes(b"none")
    answer = command("train", "steps=16", "--resume", "--out", str(folder.path), "--json")
    assert answer.code == 0, answer.stderr
    assert "best.safetensors`: it " in answer.stderr
    assert "chosen anew" in answer.stderr
    assert checkpoint.read(best).meta["step"] == 16


@pytest.mark.parametrize("content", [b"5\n", b"\xff\xfe\x00", b"{}\n", b'{"step": null}\n'])
def test_a_history_that_is_none_is_begun_anew(
    ring: Path, tmp_path: Path, command: Command, content: bytes
) -> None:
    folder = RunFolder(shutil.copytree(ring, tmp_path / "copy"))
    folder.history.write_bytes(content)
    answer = command("train", "steps=16", "--resume", "--out", str(folder.path), "--json")
    assert answer.code == 0, answer.stderr
    assert [tick["step"] for tick in folder.read_history()] == [16]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own; skipped where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip(f"mounting a small disk is not allowed here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, leave: int = 0) -> Path:
    """A file that takes all room but `leave` bytes."""
    free = os.statvfs(folder)
    filler = folder / "filler"
    filler.write_bytes(b"x" * max(0, free.f_bavail * free.f_bsize - leave))
    return filler


def test_a_disk_that_fills_up_keeps_the_last_good_checkpoint(disk: Path, command: Command) -> None:
    run = disk / "run"
    train = ["train", "--resume", "--out", str(run), "--json"]
    few = words_of(RING | {"snapshots": 1, "evaluation.metrics": []})
    # Without a step there are no pictures yet, which would need more room.
    assert command("train", "ring", *few, "--time", "0", "--out", str(run)).code == 0
    (run / "report.html").unlink()
    before = checkpoint.read(run / "checkpoints" / checkpoint.LAST).meta
    filler = fill(disk, leave=8192)  # for the recipe, not for a picture
    answer = in_a_shell(*train)  # which sees to it that there is no traceback
    assert answer.code == 1, answer.stderr
    error = answer.value["error"]
    assert error["code"] == "disk"
    assert f"the disk at `{disk}` is full: `{run}/" in error["message"]
    assert (
        f"free some space there, then go on with: {' '.join(['sparring', *train[:-1]])}"
        == (error["hint"])
    )
    assert error["message"] in answer.stderr
    assert checkpoint.read(run / "checkpoints" / checkpoint.LAST).meta == before
    assert not list(run.rglob("*.tmp"))
    filler.unlink()
    assert command(*train).value["steps"] == 12
    assert checkpoint.read(run / "checkpoints" / checkpoint.LAST).meta["step"] == 12


def test_a_checkpoint_that_has_no_room_leaves_the_one_before_it_alone(disk: Path) -> None:
    state = small_state()
    last, previous = disk / checkpoint.LAST, disk / checkpoint.PREVIOUS
    checkpoint.save(state, last, keep=previous)
    fill(disk)
    state.step = 1
    with pytest.raises(DiskFull, match=f"the disk at `{disk}` is full: `{last}`"):
        checkpoint.save(state, last, keep=previous)
    assert checkpoint.read(last).meta["step"] == 0
    assert sorted(path.name for path in disk.iterdir()) == ["filler", checkpoint.LAST]


def test_a_disk_too_small_for_the_first_checkpoint(disk: Path, command: Command) -> None:
    run = disk / "run"
    words = ["train", "ring", "steps=8", "tick=4", "evaluation.metrics=[]", "--out", str(run)]
    answer = command(*words, "--json")
    assert answer.code == 1
    error = answer.value["error"]
    assert f"the disk at `{disk}` is full: `{run}" in error["message"]
    assert error["hint"] == f"free some space there, then delete `{run}` and train again"
    assert "Traceback" not in answer.stderr
    assert not list(run.rglob("*.tmp"))


@pytest.mark.parametrize("out", ["new/x.png", "x.npz", "pictures"])
def test_samples_for_a_full_disk(disk: Path, images: Path, command: Command, out: str) -> None:
    fill(disk)
    answer = command("sample", str(images), "--out", str(disk / out), "--json")
    assert answer.code == 1
    assert f"the disk at `{disk}` is full" in answer.value["error"]["message"]
    assert "free some space" in answer.value["error"]["hint"]


def test_a_read_only_disk(disk: Path, images: Path, command: Command) -> None:
    done = subprocess.run(
        ["mount", "-o", "remount,ro", str(disk)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("a disk cannot be made read-only here")
    answer = command("train", "ring", "steps=1", "--out", str(disk / "run"), "--json")
    assert answer.code == 2
    assert "cannot be made: Read-only file system" in answer.value["error"]["message"]
    assert "--out" in answer.value["error"]["hint"]
    answer = command("sample", str(images), "--out", str(disk / "x.png"), "--json")
    assert answer.code == 2
    assert "cannot be written: Read-only file system" in answer.value["error"]["message"]


def test_a_full_device_where_nothing_can_be_mounted(tmp_path: Path, command: Command) -> None:
    """/dev/full takes the place of the history: every write to it fails for want of room."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "history.jsonl").symlink_to("/dev/full")
    answer = command("train", "ring", *words_of(RING), "--out", str(run), "--json")
    assert answer.code == 1
    assert answer.value["error"]["code"] == "disk"
    assert f"`{run / 'history.jsonl'}` cannot be written" in answer.value["error"]["message"]
    assert "Traceback" not in answer.stderr
