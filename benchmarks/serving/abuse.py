"""Abuse: thousands of fuzzed requests, and clients that are slow, gone, too many or unknown."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
import schemathesis
from schemathesis.specs.openapi import checks

from benchmarks import common
from benchmarks.serving.servers import Running, digits, service

Result = dict[str, Any]
REQUESTS = 10_000
TOKEN = "an-only-too-simple-token"
MEANT = [checks.positive_data_acceptance]  # a class that is none no description can rule out
PATHS = (
    "/v1/models/digits/images/../../../../etc/passwd",
    "/v1/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd/images/1.png",
    "/assets/%2e%2e%2fprocess.py",
    "/assets/..%5c..%5cprocess.py",
    "/v1/models/digits/images/1.png%00",
    "/v1/models/digits/images/%f0%9f%98%80.png",
    f"/v1/models/digits/images/{'9' * 20000}.png",
    "//" * 2000,
)


def abuse(quick: bool) -> Result:
    """All of it against one server, which has to be as well afterwards as it was before."""
    with service(f"digits={digits(quick)}") as server:
        httpx.get(f"{server.address}/v1/models/digits/neighbours/1")  # what is loaded when asked
        time.sleep(1)
        rest, files, processes = server.memory(), server.files(), sorted(server.processes())
        wrong: list[str] = []
        seeds = itertools.count(1)
        requests = 300 if quick else REQUESTS
        # A fifth of them fills the caches and makes the largest batches: what grows then is a leak.
        statuses = fuzzed(server, requests // 5, seeds, wrong)
        memory = server.memory()
        statuses += fuzzed(server, requests - requests // 5, seeds, wrong)
        statuses += odd_paths(server)
        many = crowd(server)
        slow = slow_clients(server, 20 if quick else 200)
        time.sleep(2 if quick else 35)  # by then the slowest is let go
        after = {
            "memory_mb_at_rest": round(rest, 1),
            "memory_mb_before": round(memory, 1),
            "memory_mb_after": round(server.memory(), 1),
            "files_before": files,
            "files_after": server.files(),
        }
        survived = sorted(server.processes()) == processes
        broken = in_flight(server)
    failures = sum(count for status, count in statuses.items() if status >= 500 and status != 503)
    return {
        "goals": [
            common.goal("fuzzed requests", sum(statuses.values()), REQUESTS, at_least=True),
            common.goal("5xx but 503", failures, 0, at_least=False),
            common.goal("answers not as described", len(wrong), 0, at_least=False),
            common.goal("processes that died", int(not survived), 0, at_least=False),
            common.goal("answers that SIGTERM broke", broken, 0, at_least=False),
            common.goal("calls open without the token", open_calls(quick), 0, at_least=False),
            common.goal(
                "memory at the end over that after a fifth of the requests",
                after["memory_mb_after"] / memory,
                1.1,
                at_least=False,
            ),
        ],
        "statuses": [{"status": s, "answers": n} for s, n in sorted(statuses.items())],
        "crowd": many,
        "slow": slow,
        "after": after,
        "wrong": wrong[:5],
    }


def fuzzed(server: Running, requests: int, seeds: Iterator[int], wrong: list[str]) -> Counter[int]:
    """Answers by status to requests from the description; `wrong` gets those not as it says."""
    statuses: Counter[int] = Counter()
    schema = schemathesis.openapi.from_dict(httpx.get(f"{server.address}/openapi.json").json())
    calls = [found.ok() for found in schema.get_all_operations()]
    while sum(statuses.values()) < requests and not wrong:
        seed = next(seeds)
        for call in calls:
            for mode in schemathesis.GenerationMode:
                left = requests - sum(statuses.values())
                with contextlib.suppress(hypothesis.errors.Unsatisfiable):
                    _ask(server, call, mode, seed, min(100, max(1, left)), statuses, wrong)
    return statuses


def _ask(
    server: Running,
    call: Any,
    mode: Any,
    seed: int,
    examples: int,
    statuses: Counter[int],
    wrong: list[str],
) -> None:
    @hypothesis.seed(seed)
    @hypothesis.given(case=call.as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    def ask(case: Any) -> None:
        if "ref" in case.path_parameters and len(statuses) % 2:
            case.path_parameters["ref"] = "digits"
        answer = case.call(base_url=server.address)
        statuses[answer.status_code] += 1
        case.validate_response(answer, excluded_checks=MEANT)

    try:
        ask()
    except hypothesis.errors.Unsatisfiable:
        raise
    except Exception as error:
        wrong.append(f"{call.label}: {error}"[:500])


def odd_paths(server: Running) -> Counter[int]:
    """What no client library would send."""
    statuses: Counter[int] = Counter()
    for path in PATHS:
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
                head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
                connection.sendall(head.encode())
                statuses[int(connection.recv(65536).split()[1])] += 1
    return statuses


def crowd(server: Running, count: int = 2500) -> Result:
    """More connections than are allowed, all with a request; then one more that is answered."""
    statuses: Counter[str] = Counter()
    connections = []
    try:
        for _ in range(count):
            with contextlib.suppress(OSError):
                one = socket.create_connection(("127.0.0.1", server.port), 10)
                one.sendall(b"GET /v1/models/digits/images/1.png HTTP/1.1\r\nhost: x\r\n\r\n")
                connections.append(one)
        for one in connections:
            try:
                statuses[one.recv(65536).split()[1].decode()] += 1
            except (OSError, IndexError):
                statuses["closed"] += 1
    finally:
        for one in connections:
            one.close()
    time.sleep(0.5)
    alone = httpx.get(f"{server.address}/healthz").status_code
    return {"connections": count, **dict(sorted(statuses.items())), "afterwards": alone}


def slow_clients(server: Running, count: int) -> Result:
    """Heads and bodies that never end, and answers that nobody reads."""
    starts = (
        b"GET /healthz HTT",
        b"POST /v1/models/digits/generate HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{",
        b"GET /v1/models/digits/images/1.png HTTP/1.1\r\nhost: x\r\n\r\n" * 50,
    )
    held = []
    for place in range(count):
        one = socket.create_connection(("127.0.0.1", server.port), 10)
        one.sendall(starts[place % len(starts)])
        if place % 2:
            held.append(one)  # goes on holding; the others vanish at once
        else:
            one.close()
    times = [common.timed(lambda: httpx.get(f"{server.address}/healthz")) for _ in range(20)]
    for one in held:
        one.close()
    return {"clients": count, "slowest_answer_to_others_ms": round(1000 * max(times), 1)}


def in_flight(server: Running, clients: int = 20) -> int:
    """Answers that are broken when SIGTERM comes in the middle of them."""
    broken: list[str] = []
    ended = threading.Event()

    def ask(place: int) -> None:
        with httpx.Client(base_url=server.address, timeout=30) as client:
            seed = 10**9 * (place + 1)
            while not ended.is_set():
                seed += 1
                try:
                    answer = client.get(f"/v1/models/digits/images/{seed}.png")
                except httpx.ConnectError:
                    return  # nobody is there any more
                except httpx.HTTPError as error:
                    broken.append(repr(error))
                    return
                if answer.status_code not in (200, 503):
                    broken.append(str(answer.status_code))

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    os.kill(server.process.pid, signal.SIGTERM)
    server.process.wait(60)
    ended.set()
    for thread in threads:
        thread.join()
    return len(broken) + int(server.process.returncode != 0)


def open_calls(quick: bool) -> int:
    """Calls of the description that answer anything but 401 without the token."""
    count = 0
    with service(f"digits={digits(quick)}", workers=1, SPARRING_TOKEN=TOKEN) as server:
        headers = {"authorization": f"Bearer {TOKEN}"}
        schema = httpx.get(f"{server.address}/openapi.json", headers=headers).json()
        for path, methods in schema["paths"].items():
            for method in methods:
                if path in ("/healthz", "/readyz"):
                    continue
                filled = path.replace("{ref}", "digits")
                for name in ("seed", "start", "end", "number"):
                    filled = filled.replace(f"{{{name}}}", "1")
                answer = httpx.request(method.upper(), server.address + filled)
                count += answer.status_code != 401
    return count
