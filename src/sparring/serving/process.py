"""`sparring serve`: what is served is opened once, then one process serves it, or several."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import resource
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import FrameType

from sparring.errors import InputError, SparringError
from sparring.lookup import find
from sparring.serving.settings import Settings
from sparring.serving.sources import Source, open_source

NEEDS = (
    *("fastapi", "uvicorn", "uvloop", "httptools", "prometheus_client", "python_multipart"),
    *("onnx", "onnxscript", "onnxruntime"),
)
BACKLOG = 2048  # connections that wait to be accepted
SIGNALS = (signal.SIGINT, signal.SIGTERM)
OTHER_FILES = 100  # that a process holds open besides connections
LOOK_EVERY = 0.1  # seconds between looks at whether a process has died
BRIEF, MOST_DEATHS = 5.0, 3  # a process that lives no longer is not started a fourth time


def serve(whats: Sequence[str], settings: Settings, tell: Callable[[str, list[str]], None]) -> None:
    """Serve generators until SIGINT or SIGTERM; `tell` is given the address and what is served.

    Raises InputError for what cannot be served, SparringError where processes keep dying.
    """
    settings.check()
    _check_installed(settings)
    if settings.moderation:
        find({}, settings.moderation, "--moderation")
    settings = with_room(settings)
    sources = [open_source(what) for what in whats]
    listeners = listen(settings)
    host, port = listeners[0].getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    with _shared_metrics(settings.workers):
        run = _prepared(sources, settings)
        tell(f"http://{shown}:{port}", [f"{one.name}@{one.version}" for one in sources])
        if settings.workers == 1:
            run(listeners[0], None)
        else:
            _supervise(run, listeners)


def with_room(settings: Settings) -> Settings:
    """Let a process open as many files as its connections need; fewer connections where it may not.

    Without a file left none could be accepted, nor refused. Raises InputError where there is room
    for none.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * settings.most_connections + OTHER_FILES  # up to twice as many are told so
    unlimited = resource.RLIM_INFINITY
    most = needed if hard == unlimited else min(needed, hard)
    if soft != unlimited and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    room = (most - OTHER_FILES) // 2
    if room < 1:
        raise InputError(
            f"a process may open {most} files, too few for connections",
            "raise the limit, as with `ulimit -n 4096`",
        )
    return replace(settings, most_connections=min(settings.most_connections, room))


def listen(settings: Settings) -> list[socket.socket]:
    """A socket for each process, all at one port: the kernel shares new connections out."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = (settings.host, settings.port)
    sockets: list[socket.socket] = []
    try:
        with socket.socket(family) as probe:  # else the port of another service would be shared
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            address = probe.getsockname()[:2]
        for _ in range(settings.workers):
            one = socket.socket(family)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if settings.workers > 1:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(address)
            one.listen(BACKLOG)  # who comes before the process is up waits
            sockets.append(one)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cannot listen at {settings.host}:{settings.port}: {error}",
            "choose another --port, or a --host of this machine",
        ) from None
    return sockets


def _check_installed(settings: Settings) -> None:
    for name in NEEDS:  # found, not imported: the figures look for their folder when they are
        if importlib.util.find_spec(name) is None:
            raise InputError(f"serving needs {name}", "pip install 'sparring[serve]'")
    known = importlib.import_module("onnxruntime").get_available_providers()
    if settings.provider not in known:
        raise InputError(
            f"--provider {settings.provider}: ONNX Runtime has none of that name here",
            f"choose one of: {', '.join(known)}",
        )


@contextlib.contextmanager
def _shared_metrics(workers: int) -> Iterator[None]:
    """Where the processes keep their figures; it has to be known before they are imported."""
    if workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="sparring-serve-", ignore_cleanup_errors=True) as path:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = path
        yield


def _prepared(
    sources: Sequence[Source], settings: Settings
) -> Callable[[socket.socket, int | None], None]:
    """What a process does, with everything imported and opened already."""
    from sparring.serving.shelf import Shelf
    from sparring.serving.version import Version
    from sparring.serving.worker import run_worker

    shelf = Shelf([Version(source, settings.provider) for source in sources])

    def run(listener: socket.socket, parent: int | None) -> None:
        run_worker(shelf, settings, listener, parent)

    return run


def _supervise(
    run: Callable[[socket.socket, int | None], None], listeners: Sequence[socket.socket]
) -> None:
    """A process for each socket; one that dies is replaced, and a signal ends them all."""
    alive, parent_end = os.pipe()  # nothing is written: it closes with this process
    leaving = False
    places: dict[int, tuple[int, float]] = {}
    deaths, wrong = 0, False

    def start(place: int) -> None:
        # A signal waits: for this process to know its child, for the child to be able to leave.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        process = os.fork()
        if process == 0:
            os.close(parent_end)
            for other in listeners:
                if other is not listeners[place]:
                    other.close()
            os._exit(_in_child(lambda: run(listeners[place], alive)))
        places[process] = (place, time.monotonic())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def leave(number: int, frame: FrameType | None) -> None:
        nonlocal leaving
        leaving = True
        for listener in listeners:  # each child has its own, and knows when to close it
            listener.close()
        for process in places:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)

    for number in SIGNALS:
        signal.signal(number, leave)
    for place in range(len(listeners)):
        if not leaving:
            start(place)
    while places:
        # Never a wait without an end: a signal just before it would be seen only after it.
        process, status = os.waitpid(-1, os.WNOHANG)
        if not process:
            time.sleep(LOOK_EVERY)
            continue
        place, started = places.pop(process)
        if leaving:
            continue
        wrong = os.waitstatus_to_exitcode(status) == InputError.exit_code
        deaths = deaths + 1 if wrong or time.monotonic() - started < BRIEF else 0
        if deaths >= MOST_DEATHS:
            leave(signal.SIGTERM, None)
        else:
            start(place)
    if deaths >= MOST_DEATHS:
        kind = InputError if wrong else SparringError
        raise kind("the processes keep ending", "what they said is above")


def _in_child(work: Callable[[], None]) -> int:
    """The exit code of a child process, which has to end here and nowhere else."""
    try:
        work()
    except SparringError as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr, flush=True)
        return error.exit_code
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    return 0
