"""Too many, too slow, gone: the service goes on; and it ends when it is told to."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from servers import SECONDS, Server, read_all, read_one, serving, wait_until

IMAGE = "/v1/models/digits/images/{}.png"
POST = (
    b"POST /v1/models/digits/generate HTTP/1.1\r\nhost: x\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
)
REQUEST = "GET {} HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture(scope="module")
def tight(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A server with small limits."""
    errors = tmp_path_factory.mktemp("tight") / "errors"
    limits = {"most_waiting": 4, "most_connections": 20, "slowest": 1.0, "memory_cache": 0}
    with serving([f"digits={images}"], errors, **limits) as server:
        yield server  # type: ignore[misc]


def test_a_full_queue_says_when_to_come_back(tight: Server) -> None:
    connections = [tight.socket() for _ in range(18)]
    try:
        wait_until(lambda: tight.get("/healthz").status_code == 200)
        pause = threading.Barrier(len(connections))
        answers: list[bytes] = []

        def ask(place: int) -> None:
            pause.wait()
            for i in range(30):
                connections[place].sendall(REQUEST.format(IMAGE.format(100 * place + i)).encode())
                answers.append(read_one(connections[place]))

        threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(connections))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for connection in connections:
            connection.close()
    statuses = {answer.split()[1] for answer in answers}
    assert statuses == {b"200", b"503"}
    refused = next(answer for answer in answers if answer.split()[1] == b"503")
    assert b"\r\nretry-after: " in refused
    assert json.loads(refused.partition(b"\r\n\r\n")[2])["error"]["code"] == "busy"


def test_connections_have_a_limit(tight: Server) -> None:
    wait_until(lambda: tight.get("/healthz").status_code == 200)
    connections = [tight.socket() for _ in range(30)]
    try:
        for connection in connections:
            connection.sendall(REQUEST.format("/healthz").encode())
        answers = [read_one(connection) for connection in connections]
    finally:
        for connection in connections:
            connection.close()
    statuses = [answer.split()[1] for answer in answers]
    assert 8 <= statuses.count(b"503") <= 12
    assert b"retry-after" in answers[statuses.index(b"503")]
    wait_until(lambda: tight.get("/healthz").status_code == 200)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"GET /healthz HT",
        POST % 100 + b"{",
    ],
)
def test_who_is_too_slow_is_let_go(tight: Server, start: bytes) -> None:
    began = time.monotonic()
    with tight.socket() as connection:
        connection.sendall(start)
        assert read_all(connection) == b""
    assert 0.5 < time.monotonic() - began < 10
    assert tight.get("/healthz").status_code == 200


def test_headers_and_requests_ahead_have_a_limit(tight: Server) -> None:
    with tight.socket() as many:
        many.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + b"ab:\r\n" * 200 + b"\r\n")
        assert b" 431 " in read_all(many)
    with tight.socket() as hasty:  # as many as one read brings
        hasty.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 150)
        assert read_all(hasty) == b""
    assert tight.get("/healthz").status_code == 200


def test_who_vanishes_leaves_nothing(tight: Server) -> None:
    for _ in range(50):
        with tight.socket() as connection:
            connection.sendall(REQUEST.format(IMAGE.format(9)).encode())
    for _ in range(10):
        with tight.socket() as connection:
            connection.sendall(POST % 100 + b"{")
    wait_until(lambda: tight.get(IMAGE.format(9)).status_code == 200)
    files = Path(f"/proc/{tight.process.pid}/fd")
    if files.exists():
        wait_until(lambda: len(list(files.iterdir())) < 60)
    failures = [line["message"] for line in tight.log() if line["event"] == "failure"]
    assert not failures, failures[0]


def test_what_was_accepted_is_finished(images: Path, tmp_path: Path) -> None:
    """Clients that ask again and again, while SIGTERM comes: every answer that began is whole."""
    with serving([f"digits={images}"], tmp_path / "errors", memory_cache=0) as server:
        answered, broken = [], []
        ended = threading.Event()

        def ask(place: int) -> None:
            with httpx.Client(base_url=server.address, timeout=SECONDS) as client:
                for i in range(100_000):
                    try:
                        answer = client.get(IMAGE.format(1000 * place + i))
                    except httpx.ConnectError:
                        return
                    except httpx.HTTPError as error:
                        broken.append(error)
                        return
                    answered.append(answer.status_code)
                    if ended.is_set() and answer.headers.get("connection") == "close":
                        return

        threads = [threading.Thread(target=ask, args=(place,)) for place in range(6)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(answered) > 50)
        with server.socket() as late:
            late.sendall(POST % 13)
            wait_until(lambda: server.get("/healthz").status_code == 200)
            ended.set()
            os.kill(server.process.pid, signal.SIGTERM)
            time.sleep(0.1)
            late.sendall(b'{"count": 64}')
            assert read_all(late).startswith(b"HTTP/1.1 200")
        for thread in threads:
            thread.join()
        server.process.join(SECONDS)
        assert server.process.exitcode == 0
    assert set(answered) == {200}
    assert broken == []


def test_several_processes_at_one_port(images: Path, tmp_path: Path) -> None:
    """From the command line: the address on stdout, the same bytes, a death survived, Ctrl-C."""
    errors = (tmp_path / "errors").open("w")
    words = ["serve", str(images), "--port", "0", "--workers", "2", "--json"]
    command = [sys.executable, "-m", "sparring", *words]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
    )
    assert process.stdout
    try:
        told = json.loads(process.stdout.readline())
        assert told["models"][0].startswith(f"{images.name}@")
        path = f"{told['address']}/v1/models/{images.name}/images/5.png"

        def fresh() -> httpx.Response:
            return httpx.get(path, timeout=SECONDS)  # a connection of its own each time

        wait_until(lambda: fresh().status_code == 200 and len(_workers(errors.name)) == 2)
        assert len({fresh().content for _ in range(20)}) == 1
        count = float(
            _figure(told["address"], 'sparring_requests_total{call="image",status="200"}')
        )
        assert count >= 20
        for number, count in ((signal.SIGKILL, 3), (signal.SIGTERM, 4)):
            victim = _workers(errors.name).pop()
            os.kill(victim, number)
            wait_until(lambda count=count: len(_workers(errors.name)) == count)
            assert {fresh().status_code for _ in range(20)} == {200}
        port = int(told["address"].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as late:
            late.settimeout(SECONDS)
            late.sendall((POST % 13).replace(b"digits", images.name.encode()))
            time.sleep(0.3)  # it is taken
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
            time.sleep(1.0)
            late.sendall(b'{"count": 64}')
            assert read_all(late).startswith(b"HTTP/1.1 200")
        assert process.wait(SECONDS) == 0
        assert process.stdout.read() == ""
        lines = Path(errors.name).read_text().splitlines()
        assert all(json.loads(line) for line in lines)
    finally:
        process.kill()
        process.wait()


def test_two_processes_end_under_load_without_a_broken_answer(images: Path) -> None:
    """Connections that stay and new ones, nobody reads the log, and SIGTERM in the middle."""
    words = ["serve", f"digits={images}", "--port", "0", "--workers", "2", "--json"]
    command = [sys.executable, "-m", "sparring", *words, "--memory-cache", "0"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout
    assert process.stderr
    try:
        address = json.loads(process.stdout.readline())["address"]
        port = int(address.rpartition(":")[2])
        answered: list[int] = []
        broken: list[str] = []

        def stays(place: int) -> None:
            with httpx.Client(base_url=address, timeout=SECONDS) as client:
                for i in range(100_000):
                    try:
                        answered.append(client.get(IMAGE.format(10**6 * place + i)).status_code)
                    except httpx.ConnectError:
                        return  # nobody listens any more
                    except httpx.HTTPError as error:
                        return broken.append(repr(error))

        def comes(place: int) -> None:
            head = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            while True:
                try:
                    connection = socket.create_connection(("127.0.0.1", port), SECONDS)
                except ConnectionRefusedError:
                    return
                with connection:
                    try:
                        connection.sendall(head)
                        answer = read_all(connection)
                    except OSError as error:
                        return broken.append(repr(error))
                    if not answer.endswith(b"}"):
                        return broken.append(f"{answer!r}")

        wait_until(lambda: httpx.get(f"{address}/readyz", timeout=SECONDS).status_code == 200)
        threads = [
            threading.Thread(target=does, args=(place,))
            for place, does in enumerate([stays] * 6 + [comes] * 3)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(answered) > 350)  # their lines are more than a pipe holds
        idle = socket.create_connection(("127.0.0.1", port), SECONDS)
        idle.sendall(REQUEST.format("/healthz").encode())
        read_one(idle)
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert process.wait(SECONDS) == 0
        assert time.monotonic() - told < 10  # whoever is idle is not waited for
        assert broken == []
        assert set(answered) == {200}
    finally:
        process.kill()
        process.wait()


def _workers(errors: str) -> list[int]:
    """The processes that said they are ready."""
    lines = [
        json.loads(line) for line in Path(errors).read_text().splitlines() if line.endswith("}")
    ]
    return [line["process"] for line in lines if line["event"] == "ready"]


def _figure(address: str, name: str) -> str:
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    return next(line.split()[-1] for line in lines if line.startswith(name))
