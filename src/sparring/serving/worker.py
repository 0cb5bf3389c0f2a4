"""One process of the service: its sockets, its end, and the connections that take too long."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import gc
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import uvicorn
import uvloop

from sparring.serving.access import Access, Rates
from sparring.serving.calls import make_calls
from sparring.serving.connection import Connection, abort_slow
from sparring.serving.gate import Gate
from sparring.serving.page import login_page
from sparring.serving.process import SIGNALS
from sparring.serving.settings import Settings
from sparring.serving.shelf import Shelf
from sparring.serving.studio import Studio
from sparring.serving.telemetry import LOG

LAST_CALL = 0.1  # seconds to accept who came before
KEEP_ALIVE = 15  # seconds that a connection may be idle
AGAIN = 2.0  # seconds in which a second signal is the first: told to all processes, and passed on
SO_ATTACH_FILTER, SO_DETACH_FILTER, BPF_RETURN = 26, 27, 6  # <asm/socket.h>, <linux/bpf_common.h>


class Server(uvicorn.Server):
    """uvicorn's, which leaves signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run_worker(
    shelf: Shelf, settings: Settings, listener: socket.socket, parent: int | None = None
) -> None:
    """Serve until a signal; `parent` is a pipe that closes when the parent process is gone."""
    LOG.start()
    try:
        uvloop.run(_serve(shelf, settings, listener, parent))
    finally:
        LOG.close()


async def _serve(
    shelf: Shelf, settings: Settings, listener: socket.socket, parent: int | None
) -> None:
    loop = asyncio.get_running_loop()
    told = 0.0
    listen_again(listener)
    studio = Studio(shelf, settings)
    server = Server(
        uvicorn.Config(
            _application(studio, settings),
            http=functools.partial(Connection, settings=settings),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=round(settings.slowest),
        )
    )

    def leave() -> None:
        """Answer what comes for a moment, closing connections, then only what was accepted."""
        nonlocal told
        if studio.leaving:
            server.force_exit = loop.time() - told > AGAIN
            return
        studio.leaving, told = True, loop.time()
        LOG.event("info", "leaving", process=os.getpid())
        loop.call_later(settings.draining, close)

    def close() -> None:
        """Let nobody come any more; who waits at the socket is accepted before it is closed."""
        deafen(listener)
        loop.call_later(LAST_CALL, setattr, server, "should_exit", True)

    def orphaned() -> None:
        assert parent is not None
        loop.remove_reader(parent)
        if not studio.leaving:
            leave()

    for number in SIGNALS:
        loop.add_signal_handler(number, leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # blocked since the fork
    if parent is not None:
        loop.add_reader(parent, orphaned)
    tasks = [loop.create_task(one) for one in (_warm_up(studio, server), _watch(server, settings))]
    try:
        await server.serve(sockets=[listener])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        studio.close()
        LOG.event("info", "ended", process=os.getpid())
    if problems := [task.exception() for task in tasks if not task.cancelled()]:
        raise next(filter(None, problems))


def deafen(listener: socket.socket) -> None:
    """Let a listening socket take no new connections; those that wait there stay.

    Closing it would reset them. With a filter that drops every packet the kernel hears no more of
    those who come now: they ask again after a second, and are refused or find the next process.
    """
    if not sys.platform.startswith("linux"):
        return
    drop = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RETURN, 0, 0, 0))
    program = struct.pack("HP", 1, ctypes.addressof(drop))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def listen_again(listener: socket.socket) -> None:
    """Take connections at a socket that the process before, which was told to end, left deaf."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):  # it never was
            listener.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def _application(studio: Studio, settings: Settings) -> Gate:
    rates = Rates(settings.rate / settings.workers, settings.most_samples)
    access = Access(settings.token, login_page)
    return Gate(studio, make_calls(studio, access, rates), access, rates)


async def _warm_up(studio: Studio, server: Server) -> None:
    """A version that cannot be made ready ends the process."""
    try:
        await studio.warm_up()
    except BaseException:
        server.should_exit = True
        raise
    gc.collect()
    gc.freeze()  # models are never garbage: they need not be looked at again and again
    models = [version.ref for version in studio.shelf.versions]
    LOG.event("info", "ready", process=os.getpid(), models=models)
    await asyncio.Event().wait()


async def _watch(server: Server, settings: Settings) -> None:
    """End connections that take too long."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(1)
        connections: Sequence[Any] = list(server.server_state.connections)
        abort_slow(connections, loop.time() - settings.slowest)
