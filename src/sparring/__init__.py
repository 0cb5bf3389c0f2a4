"""Train, watch, measure and ship generative adversarial networks."""

from __future__ import annotations

import os
from typing import Any

from sparring.version import __version__

_API = (
    *("Run", "audit", "compare", "diagnose", "evaluate", "export", "from_pretrained", "load"),
    *("project", "push", "sample", "style_mix", "train", "translate"),
)
__all__ = [*_API, "__version__"]

# From 1.29 on ONNX Runtime tells Microsoft how it is used, from threads that forks do not have,
# unless this is set before it is imported. Who wants that sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def __getattr__(name: str) -> Any:
    """The API on first use: it imports PyTorch, which `sparring --version` need not wait for."""
    if name in _API:
        from sparring import api

        return getattr(api, name)
    raise AttributeError(f"module `sparring` has no attribute `{name}`")
