"""What several test files start from; this folder is on the path, for `helpers`."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

# One process a core: threads of their own would only be in each other's way, and the servers, which
# are forks, would wait for threads they do not have. Set before PyTorch is imported, and inherited
# by the commands that tests start.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest

import sparring
from helpers import QUICK, THIN, Answer, Command
from sparring import cli

# A shell has what it starts in the background ignore Ctrl-C, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests compute is not kept in the user's own cache, nor taken from there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARRING_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of the default recipe."""
    folder = tmp_path_factory.mktemp("digits") / "run"
    return sparring.train(out=folder, overrides=QUICK | THIN).path


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """A command line in this process: quicker than `in_a_shell`."""

    def run(*words: str) -> Answer:
        monkeypatch.setattr("sys.argv", ["sparring", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        code = end.value.code
        assert isinstance(code, int)
        return Answer(code, *capfd.readouterr())

    return run
