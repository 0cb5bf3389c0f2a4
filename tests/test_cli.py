"""The command line: one JSON value on stdout, and each command does what it says."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import sparring
from helpers import QUICK, THIN, Answer, Command, in_a_shell, words_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def vectors(folder: Path) -> Answer:
    """A short run of `gaussian`, from a shell."""
    words = [*words_of(QUICK), "--out", "gaussian", "--json"]
    return in_a_shell("train", "gaussian", *words, folder=folder)


def test_train_answers_with_one_value(vectors: Answer, folder: Path) -> None:
    assert vectors.code == 0, vectors.stderr
    summary = vectors.value
    assert set(summary) == {
        *("run", "recipe", "data", "seconds", "steps", "samples_seen", "samples_per_second"),
        *("best", "verdict", "findings"),
    }
    assert (summary["run"], summary["recipe"], summary["data"]) == ("gaussian",) * 3
    assert (summary["steps"], summary["samples_seen"]) == (12, 192)
    assert summary["best"]["step"] == 12
    record = summary["best"]["metrics"]["fid"]
    assert set(record) == {
        *("value", "error", "features", "layer", "resize", "samples_real", "samples_fake"),
        *("seed", "split", "flags"),
    }
    assert (folder / "gaussian" / "report.html").is_file()
    assert "step 12/12" in vectors.stderr  # progress goes where it does not disturb


def test_samples_from_a_shell(vectors: Answer, folder: Path) -> None:
    words = ["sample", "gaussian", "--count", "70", "--seed", "5", "--out", "new/s.npz", "--json"]
    answer = in_a_shell(*words, folder=folder)
    assert answer.code == 0, answer.stderr
    assert set(answer.value) == {"path", "count", "seconds"}
    assert (answer.value["path"], answer.value["count"]) == ("new/s.npz", 70)
    with np.load(folder / "new" / "s.npz") as arrays:
        assert arrays["samples"].shape == (70, 1)
        assert arrays["samples"].dtype == np.float32
        assert arrays["labels"].shape == (70,)
        expected = sparring.sample(folder / "gaussian", 70, seed=5).numpy()
        assert np.array_equal(arrays["samples"], expected)


def test_evaluate_from_a_shell(vectors: Answer, folder: Path) -> None:
    words = ["evaluate", "gaussian", "--metrics", "fid,kid", "--samples", "100", "--json"]
    answer = in_a_shell(*words, folder=folder)
    assert answer.code == 0, answer.stderr
    records = answer.value["metrics"]
    assert list(records) == ["fid", "kid"]
    assert records["kid"]["samples_fake"] == 100
    assert records["kid"]["split"] == "test"


def test_report_from_a_shell(vectors: Answer, folder: Path) -> None:
    page = folder / "gaussian" / "report.html"
    page.unlink()
    answer = in_a_shell("report", "gaussian", "--json", folder=folder)
    assert answer.code == 0, answer.stderr
    assert folder / answer.value["path"] == page
    assert page.stat().st_size > 1000


def test_a_generator_of_ones_own_by_module_and_attribute(folder: Path) -> None:
    (folder / "my_networks.py").write_text(
        "import torch\n"
        "class Line(torch.nn.Module):\n"
        "    def __init__(self, latent_size, shape, slope: float = 2.0):\n"
        "        super().__init__()\n"
        "        self.slope = slope\n"
        "        self.layer = torch.nn.Linear(latent_size, shape[0])\n"
        "    def forward(self, z):\n"
        "        return self.slope * self.layer(z)\n"
    )
    words = [*words_of(QUICK), "generator.name=my_networks:Line", "generator.slope=3"]
    answer = in_a_shell("train", "ring", *words, "--out", "own", "--json", folder=folder)
    assert answer.code == 0, answer.stderr
    written = yaml.safe_load((folder / "own" / "recipe.yaml").read_text())
    assert written["generator"] == {"name": "my_networks:Line", "slope": 3.0}
    answer = in_a_shell("sample", "own", "--count", "3", "--out", "own.npz", folder=folder)
    assert answer.code == 0, answer.stderr
    assert "own.npz: 3 samples" in answer.stdout


def test_nan_ends_with_code_3(folder: Path, command: Command) -> None:
    words = [*words_of(QUICK), "optimizer.discriminator.lr=1e30", "--out", str(folder / "nan")]
    answer = command("train", "ring", *words, "--json")
    assert answer.code == 3
    assert answer.value["error"]["code"] == "stopped"
    assert "is NaN or infinite since step" in answer.value["error"]["message"]
    assert "lr" in answer.value["error"]["hint"]


def test_what_one_should_know_before_is_said_on_stderr(folder: Path, command: Command) -> None:
    words = ["micro_batch=8", "generator.normalization=batch", "--out", str(folder / "warned")]
    answer = command("train", "ring", *words_of(QUICK | {"steps": 1}), *words, "--json")
    assert answer.value["steps"] == 1
    assert answer.stderr.startswith("warning: generator: batch statistics are taken over micro")


def test_time_ends_with_code_0(folder: Path, command: Command) -> None:
    words = [*words_of(QUICK | {"steps": 10**9}), "--time", "0.3", "--out", str(folder / "time")]
    answer = command("train", "ring", *words, "--json")
    assert answer.code == 0, answer.stderr
    assert 0 < answer.value["steps"] < 10**9


def test_a_first_word_with_an_equals_sign_is_an_override(folder: Path, command: Command) -> None:
    out = folder / "default"
    answer = command("train", *words_of(QUICK | THIN), "steps=1", "--out", str(out), "--json")
    assert answer.code == 0, answer.stderr
    assert (answer.value["recipe"], answer.value["steps"]) == ("digits", 1)


def test_pictures_arrays_and_folders_hold_the_same_samples(
    images: Path, tmp_path: Path, command: Command
) -> None:
    words = ["sample", str(images), "--seed", "9", "--json", "--out"]
    grid, arrays, single = tmp_path / "g.png", tmp_path / "a.npz", tmp_path / "one"
    assert command(*words, str(grid)).value["count"] == 64
    assert command(*words, str(arrays), "--count", "70").code == 0
    assert command(*words, str(single), "--count", "3").code == 0
    with np.load(arrays) as found:
        samples = found["samples"]
        assert found["labels"].tolist() == [-1] * 70
    assert samples.shape == (70, 1, 28, 28)
    assert samples.dtype == np.uint8
    assert sorted(path.name for path in single.iterdir()) == ["10.png", "11.png", "9.png"]
    for seed in (9, 10, 11):
        with Image.open(single / f"{seed}.png") as picture:
            assert np.array_equal(np.asarray(picture), samples[seed - 9, 0])
    assert not np.array_equal(samples[0], samples[1])
    with Image.open(grid) as picture:
        assert picture.size[0] == picture.size[1]
        assert picture.size[0] > 8 * 28


def test_sample_i_of_a_seed_is_that_of_seed_plus_i(
    images: Path, tmp_path: Path, command: Command
) -> None:
    def sampled(seed: int, count: int) -> np.ndarray:
        out = str(tmp_path / "s.npz")
        words = ["--seed", str(seed), "--count", str(count), "--out", out]
        assert command("sample", str(images), *words).code == 0
        with np.load(out) as arrays:
            return arrays["samples"]

    many = sampled(100, 1030)  # more than are made at a time
    for i in (0, 1, 63, 64, 1023, 1024, 1029):
        assert np.array_equal(sampled(100 + i, 1)[0], many[i])


def test_interpolation_walks_from_seed_to_seed(
    images: Path, tmp_path: Path, command: Command
) -> None:
    words = ["sample", str(images), "--interpolate", "--count", "24", "--out"]
    assert command(*words, str(tmp_path / "walk.png")).code == 0
    with Image.open(tmp_path / "walk.png") as picture:
        assert picture.size[0] / picture.size[1] == pytest.approx(8 / 3, rel=0.05)
    walk = sparring.sample(images, 24, seed=4, interpolate=True)
    seeds = sparring.sample(images, 4, seed=4)
    assert torch.equal(walk[[0, 8, 16]], seeds[:3])
    assert torch.equal(walk[[7, 15, 23]], seeds[1:])
    assert command(*words, str(tmp_path / "walk.npz")).code == 2


def test_evaluate_takes_samples_of_any_program(
    images: Path, tmp_path: Path, command: Command
) -> None:
    file = str(tmp_path / "s.npz")
    assert command("sample", str(images), "--count", "50", "--out", file).code == 0
    answer = command("evaluate", file, "--data", "mnist5k", "--metrics", "fid", "--json")
    record = answer.value["metrics"]["fid"]
    assert (record["samples_real"], record["samples_fake"], record["split"]) == (5000, 50, "all")
    # What the product writes can be compared with as well.
    answer = command("evaluate", file, "--data", file, "--metrics", "fid", "--json")
    assert answer.value["metrics"]["fid"]["value"] == pytest.approx(0, abs=1e-6)
    words = command("evaluate", str(images), "--samples", "100").stdout
    assert "fid" in words
    assert "100 generated, 500 real (test)" in words
    assert "only 100 samples" in words


def test_recipes_are_listed_shown_and_copied(tmp_path: Path, command: Command) -> None:
    rows = command("recipes", "list", "--json").value
    assert {"digits", "gaussian"} <= {row["name"] for row in rows}
    assert all(set(row) == {"name", "title", "source", "data"} for row in rows)
    assert command("recipes", "list").stdout.count("\n") == len(rows)
    shown = command("recipes", "show", "ring", "--json").value
    assert shown["data"]["name"] == "ring"
    assert yaml.safe_load(command("recipes", "show", "ring").stdout) == shown
    file = str(tmp_path / "mine.yaml")
    assert command("recipes", "copy", "ring", file, "--json").value == {"path": file}
    assert yaml.safe_load(Path(file).read_text())["data"] == {"name": "ring"}
    assert command("recipes", "show", file, "--json").value["name"] == "mine"
    assert command("recipes", "copy", "ring", file).code == 2
    assert command("recipes", "copy", "ring", str(tmp_path / "mine.txt")).code == 2


def test_data_are_listed(command: Command) -> None:
    names = command("data", "list", "--json").value
    assert {"mnist5k", "gaussian", "ring", "grid", "patterns"} <= set(names)
    assert command("data", "list").stdout.splitlines()[: len(names)] == names


def test_help_and_version(command: Command) -> None:
    assert command("--version").stdout == f"sparring {sparring.__version__}\n"
    answer = command("--help")
    assert answer.code == 0
    assert "train" in answer.stdout
    assert "Train a GAN" in command("train", "--help").stdout


def test_the_lists_do_not_wait_for_pytorch() -> None:
    code = "import sys, sparring.cli, sparring.recipes; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_vectors_are_no_folder_of_pictures(
    vectors: Answer, folder: Path, command: Command, tmp_path: Path
) -> None:
    answer = command("sample", str(folder / "gaussian"), "--out", str(tmp_path / "x"), "--json")
    assert answer.code == 2
    assert ".npz" in answer.value["error"]["hint"]
