"""`sparring diagnose`: runs, and logs and samples of other programs."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sparring
from helpers import QUICK
from sparring.data import mnist5k
from sparring.errors import InputError
from sparring.referee.logs import read_log
from sparring.referee.strangers import tiles


def rows_of(value: Callable[[int], tuple[float, float]]) -> list[dict[str, float]]:
    return [{"step": step, "d": value(step)[0], "g": value(step)[1]} for step in range(0, 1000, 10)]


def write_csv(path: Path, names: tuple[str, str, str], rows: list[dict[str, float]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(row.values() for row in rows)
    return path


def codes(answer: dict[str, Any]) -> list[str]:
    return [one["code"] for one in answer["findings"]]


@pytest.mark.parametrize(
    "names",
    [
        ("step", "d_loss", "g_loss"),
        ("epoch", "Loss_D", "Loss_G"),
        ("iteration", "errD", "errG"),
        ("Step", "discriminator loss", "generator loss"),
        ("it", "loss/discriminator", "loss/generator"),
        ("batch", "critic_loss", "lossG"),
    ],
)
def test_logs_of_other_programs_under_many_names(
    tmp_path: Path, names: tuple[str, str, str]
) -> None:
    path = write_csv(tmp_path / "log.csv", names, rows_of(lambda step: (1.3, 0.8)))
    looks = read_log(path)
    assert looks[-1].losses == {
        "discriminator": pytest.approx(1.3),
        "generator": pytest.approx(0.8),
    }
    assert sparring.diagnose(history=path) == {"verdict": "unknown", "findings": []}


def test_a_log_that_ends_in_nan(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    rows = rows_of(lambda step: (1.0, float("nan") if step >= 700 else 0.7))
    lines = [json.dumps({"step": r["step"], "d_loss": r["d"], "g_loss": r["g"]}) for r in rows]
    path.write_text("training began\n" + "\n".join(lines) + '\n{"step": 10')
    answer = sparring.diagnose(history=path)
    assert answer["verdict"] == "unhealthy"
    assert codes(answer) == ["nonfinite"]
    assert answer["findings"][0]["step"] == 700


def test_a_log_in_which_the_discriminator_has_won(tmp_path: Path) -> None:
    rows = rows_of(lambda step: (max(1.3 - step / 200, 1e-4), min(0.7 + step / 60, 12.0)))
    answer = sparring.diagnose(
        history=write_csv(tmp_path / "l.csv", ("step", "d_loss", "g_loss"), rows)
    )
    assert answer["verdict"] == "unhealthy"
    assert codes(answer) == ["discriminator-overpowers"]


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "no rows"), ("a,b\n1,2\n", "no column of losses"), ("hello\n", "no")],
)
def test_what_is_no_log_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=told):
        sparring.diagnose(history=path)


def test_collapsed_samples_of_another_program(tmp_path: Path) -> None:
    one = mnist5k().values[7]
    noise = torch.randint(0, 5, (100, *one.shape), dtype=torch.uint8)
    np.savez(tmp_path / "same.npz", samples=(one // 2 + noise).numpy())
    for data in ("mnist5k", None):
        answer = sparring.diagnose(samples=tmp_path / "same.npz", data=data)
        assert answer["verdict"] == "unhealthy"
        assert "mode-collapse" in codes(answer)


def test_other_real_images_are_healthy_and_training_images_are_copies(tmp_path: Path) -> None:
    digits = mnist5k()
    np.savez(tmp_path / "test.npz", samples=digits.split("test").numpy())
    np.savez(tmp_path / "train.npz", samples=digits.split("train")[::8].numpy())
    answer = sparring.diagnose(samples=tmp_path / "test.npz", data="mnist5k")
    assert (answer["verdict"], codes(answer)) == ("healthy", ["near-equilibrium"])
    assert sparring.diagnose(samples=tmp_path / "test.npz")["verdict"] == "unknown"
    assert "memorization" in codes(
        sparring.diagnose(samples=tmp_path / "train.npz", data="mnist5k")
    )


def test_grids_of_snapshots_by_step(tmp_path: Path) -> None:
    """As torchvision's save_image writes them: eight a row, two pixels around each."""
    digits = mnist5k().split("test")[:64, 0]
    grid = torch.zeros(8 * 30 + 2, 8 * 30 + 2, dtype=torch.uint8)
    for place, image in enumerate(digits):
        y, x = 2 + place // 8 * 30, 2 + place % 8 * 30
        grid[y : y + 28, x : x + 28] = image
    assert torch.equal(tiles(grid[None, None], 28)[:, 0], digits)
    assert tiles(digits[:, None], 28).shape == (64, 1, 28, 28)
    for step in (100, 200):
        (tmp_path / f"step-{step}").mkdir()
        Image.fromarray(grid.numpy()).save(tmp_path / f"step-{step}" / "fakes.png")
    answer = sparring.diagnose(samples=tmp_path, data="mnist5k")
    assert answer["verdict"] == "healthy"


def test_a_run_is_judged_from_its_folder(tmp_path: Path) -> None:
    run = sparring.train("ring", out=tmp_path / "run", overrides=QUICK)
    answer = sparring.diagnose(run.path)
    written = json.loads((run.path / "findings.json").read_text())
    assert answer["verdict"] == written["verdict"]
    assert codes(answer) == [one["code"] for one in written["findings"]]
    for one in answer["findings"]:
        assert one.keys() >= {"code", "severity", "step", "evidence", "advice"}
    # Also while it trains: nothing but the recipe and the history is there.
    (run.path / "findings.json").unlink()
    assert sparring.diagnose(run.path)["verdict"] in ("unknown", "healthy", "unhealthy")


def test_nothing_to_diagnose() -> None:
    with pytest.raises(InputError, match="nothing to diagnose"):
        sparring.diagnose()
