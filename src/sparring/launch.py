"""What torchrun tells a process in its environment; known without PyTorch, which takes a second."""

from __future__ import annotations

import os


def leads() -> bool:
    """Whether this is the process that writes and speaks, also after they have parted."""
    return not several() or os.environ.get("RANK") == "0"


def several() -> bool:
    """Whether torchrun has started more than one process."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def restarts() -> int:
    """How often torchrun has started this run again."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def may_restart() -> bool:
    """Whether torchrun would start a run again that fails."""
    return os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0"
