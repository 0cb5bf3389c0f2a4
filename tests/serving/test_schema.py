"""Whatever the description of the service allows, and what it does not, is answered as it says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import Server, serving

schemathesis: Any = pytest.importorskip("schemathesis", reason="needs the extra test")
hypothesis: Any = pytest.importorskip("hypothesis", reason="needs the extra test")

EXAMPLES = 12  # of each call; the benchmark asks ten thousand times


@pytest.fixture(scope="module")
def asked(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    errors = tmp_path_factory.mktemp("asked") / "errors"
    with serving([f"digits={images}"], errors, most_samples=8) as server:
        yield server


@pytest.fixture(scope="module")
def described(asked: Server) -> Any:
    schema: dict[str, Any] = asked.get("/openapi.json").json()
    return schemathesis.openapi.from_dict(schema)


def test_every_call_is_described(asked: Server) -> None:
    paths = asked.get("/openapi.json").json()["paths"]
    assert {
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/models",
        "/v1/models/{ref}/generate",
        "/v1/models/{ref}/images/{seed}.png",
    } <= paths.keys()


lazy = schemathesis.pytest.from_fixture("described")


@lazy.parametrize()
@hypothesis.settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
def test_calls_keep_to_their_description(case: Any, asked: Server) -> None:
    if "ref" in case.path_parameters and case.meta and case.meta.generation.mode.is_positive:
        case.path_parameters["ref"] = "digits"
    case.call_and_validate(base_url=asked.address)


def test_nothing_failed_on_the_way(asked: Server) -> None:
    assert not [line for line in asked.log() if line["event"] == "failure"]
