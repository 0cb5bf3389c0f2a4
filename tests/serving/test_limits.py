"""Limits by themselves: queues, searches, files, the log; and what is not made for who has gone."""

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from servers import SECONDS, Server, read_all, serving, wait_until

from sparring.serving import neighbours, telemetry
from sparring.serving import version as version_module
from sparring.serving.address import Address
from sparring.serving.batcher import Batcher
from sparring.serving.neighbours import MOST_SEARCHES, Searches
from sparring.serving.refusal import Refusal
from sparring.serving.settings import Settings
from sparring.serving.sources import open_source
from sparring.serving.version import Version

LONG = json.dumps({"seeds": list(range(256))}).encode()


def slow(given: Version) -> Any:
    """A moderator that takes its time."""

    def judge(images: np.ndarray, labels: np.ndarray) -> list[None]:
        time.sleep(0.02 * len(images))
        return [None] * len(images)

    return judge


def samples_made(server: Server) -> float:
    lines = server.get("/metrics").text.splitlines()
    found = (line.split()[-1] for line in lines if line.startswith("sparring_samples_total{"))
    return float(next(found, 0))


def test_a_batch_whose_client_has_gone_is_not_made_to_the_end(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    how = {"moderation": "test_limits:slow"}
    with serving([f"digits={images}"], tmp_path / "errors", **how) as server:
        with server.socket() as connection:
            connection.sendall(b"POST /v1/models/digits/generate HTTP/1.1\r\nhost: x\r\n")
            connection.sendall(b"content-type: application/json\r\n")
            connection.sendall(b"content-length: %d\r\n\r\n" % len(LONG) + LONG)
            wait_until(lambda: samples_made(server) > 0)
        wait_until(lambda: any(line.get("status") == 400 for line in server.log()))
        made = samples_made(server)
        time.sleep(1)  # 50 samples more
        assert samples_made(server) <= made + 16  # those that were being made
        assert made < 200


def test_searches_for_neighbours_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    searched: list[int] = []

    def search(image: Any, others: Any, count: int) -> list[Any]:
        free.wait(SECONDS)
        searched.append(count)
        return []

    monkeypatch.setattr(neighbours, "nearest", search)

    async def ask() -> None:
        searches = Searches()
        image, others = np.zeros((1, 4, 4), np.uint8), torch.zeros(3, 1, 4, 4)
        tasks = [
            asyncio.create_task(searches.nearest(image, others, place))
            for place in range(MOST_SEARCHES)
        ]
        await asyncio.sleep(0.05)
        with pytest.raises(Refusal) as refused:
            await searches.nearest(image, others, 99)
        assert refused.value.status == 503
        assert dict(refused.value.headers)[b"retry-after"]
        tasks[5].cancel()  # its client has gone
        await asyncio.sleep(0.05)
        searches.check()
        free.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await searches.nearest(image, others, 100) == []

    asyncio.run(ask())
    assert searched == [*(place for place in range(MOST_SEARCHES) if place != 5), 100]


def test_a_crowd_that_searches_is_answered_or_told_to_come_back(
    service: Server, images: Path
) -> None:
    path = "/v1/models/digits/neighbours/{}"
    service.get(path.format(0))
    with (
        httpx.Client(base_url=service.address, timeout=SECONDS) as client,
        ThreadPoolExecutor(60) as pool,
    ):
        answers = list(pool.map(lambda seed: client.get(path.format(seed)), range(120)))
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert all("retry-after" in one.headers for one in answers if one.status_code == 503)
    assert service.get(path.format(1)).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/models", "/", "/metrics"])
def test_head_is_get_without_a_body(service: Server, path: str) -> None:
    head = service.client.request("HEAD", path)
    assert head.status_code == 200
    assert not head.content
    assert head.headers["content-type"] == service.get(path).headers["content-type"]
    with service.socket() as connection:
        connection.sendall(f"HEAD {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        assert read_all(connection).endswith(b"\r\n\r\n")


def test_more_connections_than_files_are_no_end(images: Path, tmp_path: Path) -> None:
    """The limit of open files is raised as far as it may be, and leaves room to answer."""
    with serving([f"digits={images}"], tmp_path / "errors", files=300) as server:
        connections = [server.socket() for _ in range(500)]
        try:
            for connection in connections:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            answers = []
            for connection in connections:
                try:
                    answers.append(connection.recv(65536)[9:12])
                except ConnectionError:
                    answers.append(b"")
        finally:
            for connection in connections:
                connection.close()
        assert 80 <= answers.count(b"200") <= 120
        assert answers.count(b"503") > 50
        assert set(answers) <= {b"200", b"503", b""}
        wait_until(lambda: server.get("/healthz").status_code == 200)
        assert server.get("/v1/models/digits/images/1.png").status_code == 200
        assert not [line for line in server.log() if line["event"] == "failure"]


def test_what_another_runtime_made_has_another_name(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(str(images))
    keys = {Address(Version(source), 5).key}
    monkeypatch.setattr(version_module.zlib, "ZLIB_RUNTIME_VERSION", "0.1")
    keys.add(Address(Version(source), 5).key)
    monkeypatch.setattr("onnxruntime.__version__", "0.1")
    keys.add(Address(Version(source), 5).key)
    assert len(keys) == 3
    monkeypatch.undo()
    assert Address(Version(source), 5).key in keys


def test_lines_of_the_log_have_a_limit() -> None:
    """A full queue of lines drops what comes then, and says how many."""
    log = telemetry.Log()
    for i in range(telemetry.KEPT + 10):
        log.event("info", str(i))
    assert len(log._lines) == telemetry.KEPT
    assert log._dropped == 10
    assert json.loads(log._lines[0])["event"] == "0"


def test_late_samples_are_let_go(version: Version) -> None:
    async def ask() -> list[Any]:
        batcher = Batcher(version, Settings(most_seconds=0.05, most_waiting=3))
        z = np.zeros(6, np.float32)
        waiting = [batcher.submit(z, 0, 1.0) for _ in range(2)]
        waiting[0].cancel()
        time.sleep(0.1)  # the loop stands still, and the second is late
        late = await asyncio.gather(*waiting, return_exceptions=True)
        batcher.submit(z, 0, 1.0), batcher.submit(z, 0, 1.0), batcher.submit(z, 0, 1.0)
        with pytest.raises(Refusal) as full:
            batcher.submit(z, 0, 1.0)
        return [*late, full.value]

    cancelled, late, full = asyncio.run(ask())
    assert isinstance(cancelled, asyncio.CancelledError)
    assert late.status == full.status == 503
    assert dict(full.headers)[b"retry-after"].isdigit()
