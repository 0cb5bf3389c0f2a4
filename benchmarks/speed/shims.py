"""What two unmaintained libraries need to be imported by PyTorch and torchvision of today.

torch-mimicry 0.1.16 (2020) imports `torch._six`, which is gone, and TensorFlow and TensorBoard for
scores and logs that are not used here; torchgan 0.1.0 (2021) calls torchvision's `make_grid` with
`range`, now `value_range`, and would log to TensorBoard where it finds it. Nothing that is timed
is touched.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import torch
import torchvision

INSTALL = "pip install --no-deps torch-mimicry==0.1.16 torchgan==0.1.0"
UNUSED = ("skimage", "sklearn", "tensorflow", "tensorboard", "torch.utils.tensorboard")


def library(name: str) -> Any:
    """torch_mimicry or torchgan; None where it is not installed."""
    if importlib.util.find_spec(name) is None:
        return None
    six: Any = ModuleType("torch._six")
    six.PY3, six.string_classes = True, (str, bytes)
    sys.modules["torch._six"] = torch._six = six  # type: ignore[attr-defined]
    for absent in UNUSED:
        if absent not in sys.modules and not _is_there(absent):
            sys.modules[absent] = MagicMock()
    os.environ.setdefault("TENSORBOARD_LOGGING", "0")
    os.environ.setdefault("VISDOM_LOGGING", "0")
    torchvision.utils.make_grid = _with_range(torchvision.utils.make_grid)
    return importlib.import_module(name)


def _is_there(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _with_range(make_grid: Any) -> Any:
    @functools.wraps(make_grid)
    def wrapped(*args: Any, range: Any = None, **options: Any) -> Any:
        if range is not None:
            options["value_range"] = range
        return make_grid(*args, **options)

    return wrapped
