"""Every random draw is a function of a key, so nothing about randomness needs saving."""

from __future__ import annotations

import hashlib

import torch

KeyPart = int | str


def seed_of(*key: KeyPart) -> int:
    """A 63-bit seed from the parts of a key, e.g. (seed, step, phase, repeat, name)."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def keyed(*key: KeyPart, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator whose stream depends on the key alone.

    Draws that define a run (latents, data order) are made on the CPU whatever the device, so that
    they are the same on every machine.
    """
    return torch.Generator(device).manual_seed(seed_of(*key))
