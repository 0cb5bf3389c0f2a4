"""What `sparring serve` is told that cannot be, and what it takes where nothing is said."""

import inspect
import sys
from pathlib import Path

import pytest
from servers import Server

from helpers import Command, in_a_shell
from sparring.cli.shipping import serve as serve_command
from sparring.serving.process import listen
from sparring.serving.settings import Settings


def test_a_port_that_is_taken(service: Server, images: Path, command: Command) -> None:
    answer = command("serve", str(images), "--port", str(service.port), "--json")
    assert answer.code == 2
    assert str(service.port) in answer.value["error"]["message"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), "nothing to serve"),
        (("a b=nowhere",), "name of a model"),
        (("nowhere.onnx",), "cannot be read"),
        (("IMAGES", "--port", "70000"), "port"),
        (("IMAGES", "--workers", "0"), "workers"),
        (("IMAGES", "--memory-cache", "-1"), "memory-cache"),
        (("IMAGES", "--rate", "nan"), "rate"),
        (("IMAGES", "--host", "203.0.113.1"), "203.0.113.1"),
        (("IMAGES", "--provider", "Abacus"), "Abacus"),
        (("IMAGES", "--provider", "CUDAExecutionProvider", "--workers", "2"), "split"),
        (("IMAGES", "--moderation", "nowhere:nothing"), "nowhere"),
        ((), "WHAT"),
    ],
)
def test_what_cannot_be_served(
    images: Path, command: Command, words: tuple[str, ...], said: str
) -> None:
    answer = command(
        "serve", *(str(images) if word == "IMAGES" else word for word in words), "--json"
    )
    assert answer.code == 2
    assert said in answer.value["error"]["message"]
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("module", ["fastapi", "uvloop", "onnxruntime"])
def test_the_extra_is_named_where_it_is_missing(
    module: str, images: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as without it
    answer = command("serve", str(images), "--json")
    assert answer.code == 2
    assert answer.value["error"]["message"] == f"serving needs {module}"
    assert answer.value["error"]["hint"] == "pip install 'sparring[serve]'"


def test_nobody_else_is_listened_to_unless_told_so() -> None:
    settings = Settings(port=0)
    (listener,) = listen(settings)
    with listener:
        assert listener.getsockname()[0] == "127.0.0.1"
    assert inspect.signature(serve_command).parameters["host"].default == settings.host


def test_the_token_must_fit_a_header(
    images: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARRING_TOKEN", "a b")
    answer = command("serve", str(images), "--json")
    assert answer.code == 2
    assert "SPARRING_TOKEN" in answer.value["error"]["message"]


def test_help_names_the_token() -> None:
    assert "SPARRING_TOKEN" in in_a_shell("serve", "--help").stdout
