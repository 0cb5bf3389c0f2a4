"""Files of weights from elsewhere: opened as tensors only, never as code; known by their hash."""

from __future__ import annotations

import hashlib
import socket
import tarfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sparring.errors import InputError

TIMEOUT = 30.0  # seconds without an answer from a server
AS_TENSORS = "save its state_dict() with safetensors.torch.save_file and give that file"


def sha256(path: Path) -> str:
    """The hash of a file's bytes in hexadecimal; InputError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"weights `{path}` do not exist", "check the path") from None
    except OSError as error:
        raise InputError(
            f"weights `{path}` cannot be read: {error.strerror}", "name a file"
        ) from None


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors or PyTorch file; InputError for anything else in it."""
    state = _tensors(path) if path.suffix == ".safetensors" else _unpickled(path)
    if not isinstance(state, dict) or not state:
        raise InputError(f"weights `{path}` hold no dictionary of tensors", AS_TENSORS)
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise InputError(f"weights `{path}` hold more than tensors: `{key}`", AS_TENSORS)
    return state


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from None


def _unpickled(path: Path) -> Any:
    # PyTorch before 2.6 ran code from files of its first format in spite of weights_only.
    if tarfile.is_tarfile(path):
        raise InputError(f"weights `{path}` are in a format of before 2017", AS_TENSORS)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise anything
        told = str(error)
        if "TorchScript" in told:
            raise InputError(
                f"weights `{path}` are a TorchScript program other than the published one, "
                "which is not opened",
                AS_TENSORS,
            ) from None
        if "GLOBAL" in told or "Unsupported" in told:
            raise InputError(
                f"weights `{path}` hold pickled code, which is never run", AS_TENSORS
            ) from None
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> InputError:
    said = str(error).strip().partition("\n")[0] or type(error).__name__
    return InputError(
        f"weights `{path}` are truncated, or no weights at all ({said[:120]})", "fetch them again"
    )


def download(name: str, url: str, file: str, digest: str) -> Path:
    """The published file, from PyTorch's cache or its server; InputError says what to fetch.

    `digest` begins the SHA-256 of the file.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / file
    if path.is_file():
        return path
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), digest, progress=True)
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0] or "no connection"
        raise InputError(
            f"features `{name}` need the file {file}, which is not on this machine and cannot be "
            f"downloaded ({reason})",
            f"fetch {url} elsewhere and name the file with --weights PATH (evaluation.weights in "
            f"a recipe), or put it into `{path.parent}`",
        ) from None
    finally:
        socket.setdefaulttimeout(before)
    return path
