"""What only a GPU can show: `pytest -m cuda`; skipped where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import sparring
from sparring.data import open_data
from sparring.games import GAMES
from sparring.recipes import load_recipe
from sparring.training.precision import Contexts, choose_device
from sparring.training.state import State
from sparring.training.step import run_step

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]
FP32 = {"precision.generator": "fp32", "precision.discriminator": "fp32"}
UNSCORED = {"evaluation.every": 0, "evaluation.metrics": []}


@pytest.fixture(autouse=True)
def _same_kernels_each_time() -> Iterator[None]:
    with torch.backends.cudnn.flags(deterministic=True, benchmark=False, allow_tf32=False):
        yield


def state_on(device: str, recipe: str = "digits", **overrides: object) -> State:
    chosen = load_recipe(recipe, {**UNSCORED, **overrides})
    place = torch.device(device)
    return State(GAMES[chosen.game](chosen, open_data(chosen.data), place), chosen, place)


def losses(state: State, steps: int) -> dict[str, torch.Tensor]:
    for _ in range(steps):
        run_step(state)
    found = state.statistics.stacked()
    return {name: values for name, values in found.items() if name.startswith("loss/")}


def test_auto_takes_the_gpu_and_bf16_where_it_is_native() -> None:
    device = choose_device("auto")
    assert device.type == "cuda"
    native = torch.cuda.get_device_capability(device)[0] >= 8
    assert Contexts(load_recipe("digits").precision, device).bf16["generator"] is native


@pytest.mark.parametrize("recipe", ["digits", "mlp-mnist", "wgan-gp", "stylegan2"])
def test_first_steps_are_those_of_the_cpu(recipe: str) -> None:
    # All draws are made on the CPU, so that the machines see the same batches.
    here, there = (losses(state_on(device, recipe, **FP32), 2) for device in ("cpu", "cuda"))
    for name, values in here.items():
        torch.testing.assert_close(there[name], values, rtol=5e-3, atol=5e-4)


@pytest.mark.parametrize("recipe", ["digits", "dcgan", "sngan", "cdcgan"])
def test_no_step_waits_for_the_gpu(recipe: str) -> None:
    state = state_on("cuda", recipe)
    for _ in range(9):  # once with each lazy penalty
        run_step(state)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(9):
            run_step(state)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    overrides = {**UNSCORED, "device": "cuda", "steps": 40, "snapshots": 1}
    whole = sparring.train("digits", out=tmp_path / "whole", overrides=overrides)
    sparring.train("digits", out=tmp_path / "parts", overrides={**overrides, "steps": 17})
    parts = sparring.train("digits", out=tmp_path / "parts", overrides=overrides, resume=True)
    assert torch.equal(whole.sample(16), parts.sample(16))


def test_samples_hardly_differ_from_the_cpus(tmp_path: Path) -> None:
    overrides = {**UNSCORED, "device": "cuda", "steps": 30, "snapshots": 1}
    run = sparring.train("digits", out=tmp_path / "run", overrides=overrides)
    generator = sparring.load(run.path).cpu()
    z = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        here, there = generator(z), generator.cuda()(z.cuda()).cpu()
    torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-3)
