"""In which precision a player's forward pass runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from sparring.errors import InputError
from sparring.recipe import Precision

BETWEEN = frozenset({"interpolates", "dragan"})  # what terms differentiate at points of their own
SIDES = ("real", "fake", "both")  # passes over samples


def choose_device(name: str) -> torch.device:
    """The device of a recipe: `auto` = the first GPU, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()  # some devices hold no values
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


class Contexts:
    """The contexts that forward passes run in.

    A player that the recipe does not name (a second generator) follows its role's prefix.
    """

    def __init__(self, precision: Precision, device: torch.device) -> None:
        self.device = device.type
        native = has_native_bf16(device)
        self.bf16 = {
            role: name == "bf16" or (name == "auto" and native)
            for role, name in precision.model_dump().items()
        }

    def usual(self, player: str) -> AbstractContextManager[Any]:
        """A player's own precision."""
        if self.bf16["discriminator" if player.startswith("discriminator") else "generator"]:
            return torch.autocast(self.device, torch.bfloat16)
        return nullcontext()

    def of_move(
        self, differentiates: frozenset[str]
    ) -> Callable[[str, str], AbstractContextManager[Any]]:
        """Those of a move, by player and what it looks at: gradients of gradients lose too much in
        16 bits, so that who is differentiated stays in fp32, the discriminator by its inputs or the
        generator by its styles; of attention's kernels only the plain one has them. Points between
        samples have a pass of their own, and only that one is then differentiated."""
        roles = tuple(
            {"generator" if name == "styles" else "discriminator" for name in differentiates}
        )
        only_between = differentiates <= BETWEEN

        def context(player: str, of: str) -> AbstractContextManager[Any]:
            differentiated = player.startswith(roles) and not (only_between and of in SIDES)
            return sdpa_kernel(SDPBackend.MATH) if differentiated else self.usual(player)

        return context

    def move(self) -> AbstractContextManager[Any]:
        """Around the forward passes of a move: weights that several of them use are cast once,
        since autocast forgets its casts only when the outermost context ends."""
        if any(self.bf16.values()):
            return torch.autocast(self.device, enabled=False)
        return nullcontext()
