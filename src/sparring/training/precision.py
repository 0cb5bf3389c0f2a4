"""In which precision a player's forward pass runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from sparring.errors import InputError
from sparring.recipe import Precision

Autocast = Callable[[str], AbstractContextManager[Any]]


def choose_device(name: str) -> torch.device:
    """The device of a recipe: `auto` = the first GPU, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"device={name} cannot be used: {reason}", "use device=auto or cpu"
        ) from None
    return device


def has_native_bf16(device: torch.device) -> bool:
    """Whether bf16 is quick here: AVX-512 BF16 or AMX, or a GPU of compute capability 8 and up."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type != "cpu":
        return False
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


def autocasts(precision: Precision, device: torch.device) -> tuple[Autocast, Autocast]:
    """Each player's forward context by name, and the same for moves that differentiate inputs.

    In the second one the discriminator stays in fp32: gradients of gradients lose too much in 16
    bits. A player that the recipe does not name (a second generator) follows its role's prefix.
    """
    native = has_native_bf16(device)

    def wants_bf16(player: str) -> bool:
        role = "discriminator" if player.startswith("discriminator") else "generator"
        name = getattr(precision, role)
        return name == "bf16" or (name == "auto" and native)

    def usual(player: str) -> AbstractContextManager[Any]:
        if wants_bf16(player):
            return torch.autocast(device.type, torch.bfloat16)
        return nullcontext()

    def differentiated(player: str) -> AbstractContextManager[Any]:
        return nullcontext() if player.startswith("discriminator") else usual(player)

    return usual, differentiated
