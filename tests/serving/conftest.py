"""Generators that are served, and one server for all tests that can share it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

import sparring
from helpers import QUICK

pytest.importorskip("fastapi", reason="needs the extra serve")

from generators import linear
from servers import Server, serving

from sparring.serving.version import Version

# A few steps of a small conditional generator and of one in the plane.
CONDITIONAL = {"generator.width": 4, "discriminator.width": 4, "latent.size": 8}


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labelled") / "run"
    return sparring.train("cdcgan", out=folder, overrides=QUICK | CONDITIONAL).path


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plane") / "run"
    return sparring.train("ring", out=folder, overrides=QUICK).path


@pytest.fixture(scope="session")
def service(
    images: Path, labelled: Path, plane: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Three models in one process, without a token."""
    whats = [f"digits={images}", f"labelled={labelled}", f"plane={plane}"]
    with serving(whats, tmp_path_factory.mktemp("service") / "errors") as server:
        yield server


@pytest.fixture(scope="session")
def weight() -> Tensor:
    """16 pixels of 6 latents, with known singular values."""
    rows, _ = torch.linalg.qr(torch.randn(16, 6, generator=torch.Generator().manual_seed(0)))
    columns, _ = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1)))
    return 0.2 * rows @ torch.diag(torch.tensor([8.0, 4, 2, 1, 0.5, 0.25])) @ columns.T


@pytest.fixture(scope="session")
def version(weight: Tensor, tmp_path_factory: pytest.TempPathFactory) -> Version:
    return linear(tmp_path_factory.mktemp("linear") / "linear.onnx", weight)
