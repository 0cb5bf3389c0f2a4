"""Whatever the description of the service allows, and what it does not, is answered as it says."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import Server, serving

schemathesis: Any = pytest.importorskip("schemathesis", reason="needs the extra test")
hypothesis: Any = pytest.importorskip("hypothesis", reason="needs the extra test")

checks: Any = pytest.importorskip("schemathesis.specs.openapi.checks")
MEANT = [checks.positive_data_acceptance]
EXAMPLES = 6  # of each call; the benchmark asks ten thousand times


@pytest.fixture(scope="module")
def asked(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    errors = tmp_path_factory.mktemp("asked") / "errors"
    with serving([f"digits={images}"], errors, most_samples=8) as server:
        yield server


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


def test_calls_keep_to_their_description(asked: Server) -> None:
    """Every call with what its description allows and what it does not."""
    schema = schemathesis.openapi.from_dict(asked.get("/openapi.json").json())
    calls = [found.ok() for found in schema.get_all_operations()]
    for mode in schemathesis.GenerationMode:
        for call in calls:
            ask(call, mode, asked)


def ask(call: Any, mode: Any, server: Server) -> None:
    @hypothesis.given(case=call.as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def asked(case: Any) -> None:
        if "ref" in case.path_parameters and mode == schemathesis.GenerationMode.POSITIVE:
            case.path_parameters["ref"] = "digits"  # else it would hardly ever be met
        # A class that is none, or a seed beside a count, no description can rule out.
        case.call_and_validate(base_url=server.address, excluded_checks=MEANT)

    with contextlib.suppress(hypothesis.errors.Unsatisfiable):  # nothing can be wrong in it
        asked()


def test_nothing_failed_on_the_way(asked: Server) -> None:
    assert not [line for line in asked.log() if line["event"] == "failure"]
