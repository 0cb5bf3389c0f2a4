"""What the service may be told, and the limits it keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

from sparring.errors import InputError
from sparring.machine import cores

MEGABYTE = 1_000_000
CPU_PROVIDER = "CPUExecutionProvider"
MOST_USUAL = 4  # processes, unless more are asked for


def usual_workers(provider: str) -> int:
    """A process for each core that may be used, since each computes on one; one for a GPU."""
    return min(cores(), MOST_USUAL) if provider == CPU_PROVIDER else 1


@dataclass(frozen=True)
class Settings:
    """`host` to `provider` are options of the command; the rest are limits of each process.

    memory_cache, disk_cache: bytes, 0 = none. rate: samples a second for each client, 0 = any.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    token: str = field(default="", repr=False)
    moderation: str = ""
    memory_cache: int = 64 * MEGABYTE
    disk_cache: int = 0
    rate: float = 0.0
    provider: str = CPU_PROVIDER

    most_samples: int = 256  # in one batch that is asked for
    most_waiting: int = 512  # samples in the queue of a model
    most_seconds: float = 2.0  # that a sample may wait there
    most_bytes: int = 64 * 1024  # of a request's head, and of its body
    most_connections: int = 1000
    slowest: float = 30.0  # seconds from the start of a request to its last byte
    draining: float = 0.3  # seconds in which connections are told that the process will end

    def check(self) -> None:
        """Raise InputError for what makes no sense."""
        if not 0 <= self.port < 2**16:
            raise InputError(f"--port {self.port}: there is no such port", "choose 1 to 65535")
        if not 1 <= self.workers <= 64:
            raise InputError(f"--workers {self.workers} is out of range", "choose from 1 to 64")
        if self.workers > 1 and self.provider != CPU_PROVIDER:
            raise InputError(
                f"--workers {self.workers} with --provider {self.provider}: a process that has "
                "begun to use a GPU cannot be split",
                "leave --workers out: one process keeps a GPU busy",
            )
        for name in ("memory_cache", "disk_cache", "rate"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"--{name.replace('_', '-')} must be 0 or more", "0 switches off")
        if any(ord(char) < 33 or ord(char) > 126 for char in self.token):
            raise InputError(
                "SPARRING_TOKEN holds characters that no header can carry",
                "use visible ASCII characters, without spaces",
            )
