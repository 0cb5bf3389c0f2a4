"""wrk, the load generator: every request a new seed, figures as JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from sparring.errors import InputError

# Each request asks for the next seed; `done` prints one line of JSON.
SCRIPT = """
local seed = tonumber(os.getenv("FIRST_SEED"))
request = function()
  seed = seed + 1
  return %s
end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests": %%d, "microseconds": %%d, "p50": %%f, "p99": %%f, "max": %%f, ' ..
    '"broken": %%d, "refused": %%d}\\n',
    summary.requests, summary.duration, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, latency.max / 1000,
    e.connect + e.read + e.write + e.timeout, e.status))
end
"""
GET = 'wrk.format("GET", "{}" .. string.format("%d", seed) .. ".png")'
SAME = 'wrk.format("GET", "{}5.png")'
LITSERVE = (
    'wrk.format("POST", "/predict", {["Content-Type"] = "application/json"}, '
    "string.format('{\"seed\": %d}', seed))"
)


class Load:
    """Rounds of requests, each from seeds that were never asked for before."""

    def __init__(self) -> None:
        self.wrk = shutil.which("wrk")
        if self.wrk is None:
            raise InputError("the benchmark needs wrk", "apt-get install wrk")
        self._first = 10**7

    def __call__(self, address: str, request: str, clients: int, seconds: float) -> dict[str, Any]:
        """One round: images a second, milliseconds at p50 and p99, and what went wrong.

        wrk counts in whole seconds.
        """
        self._first += 10**8
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "script.lua"
            script.write_text(SCRIPT % request)
            command = [
                str(self.wrk),
                "-t1",
                f"-c{clients}",
                f"-d{max(1, round(seconds))}s",
                "--timeout",
                "10s",
            ]
            done = subprocess.run(
                [*command, "-s", str(script), address],
                env={"FIRST_SEED": str(self._first)},
                capture_output=True,
                text=True,
                check=True,
            )
        found = json.loads(next(line for line in done.stdout.splitlines() if line[:1] == "{"))
        return {
            "clients": clients,
            "images_per_second": round(found["requests"] / found["microseconds"] * 1e6),
            "p50_ms": round(found["p50"], 2),
            "p99_ms": round(found["p99"], 2),
            "max_ms": round(found["max"], 1),
            "broken": found["broken"] + found["refused"],
        }
