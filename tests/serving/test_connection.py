"""What a connection does with a transport, on a real socket."""

import asyncio
import socket

import uvloop

from sparring.serving.connection import Joined


async def _answered(lines: list[bytes], gone: bool) -> bytes:
    """What a client reads of an answer that is written in `lines`."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    joined = Joined(transport, loop)
    for line in lines:
        joined.write(line)
        if gone:
            transport.abort()
            await asyncio.sleep(0.01)  # until uvloop has closed its handle
    joined.close()
    read = b""
    while more := await loop.sock_recv(theirs, 1000):
        read += more
    theirs.close()
    return read


def test_a_head_goes_with_what_follows_it() -> None:
    assert uvloop.run(_answered([b"HTTP/1.1 200 OK\r\n\r\n", b"body"], False)).endswith(b"\r\nbody")
    assert uvloop.run(_answered([b"HTTP/1.1 204 None\r\n\r\n"], False)).startswith(b"HTTP/1.1 204")


def test_an_answer_to_who_has_gone_is_dropped() -> None:
    assert uvloop.run(_answered([b"HTTP/1.1 200 OK\r\n\r\n", b"body", b"more"], True)) == b""
