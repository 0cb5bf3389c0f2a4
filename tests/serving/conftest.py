"""Generators that are served, and one server for all tests that can share it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import sparring
from helpers import QUICK

pytest.importorskip("fastapi", reason="needs the extra serve")

from servers import Server, serving

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
