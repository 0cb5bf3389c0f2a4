"""What StyleGAN2 costs at real sizes: counted at all of them, timed where a CPU can."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sparring.networks.stylegan2 import StyleGAN2Discriminator, StyleGAN2Generator
from sparring.networks.styles import Made
from sparring.objectives.penalties import squared_gradient_norm

# Pixels to (width, growth, batch timed): widths as published at 256 and 1024, as many at most.
SIZES = {64: (64, 8, 4), 128: (64, 8, 2), 256: (64, 8, 1), 512: (64, 8, 0), 1024: (32, 16, 0)}
EVERY_R1, EVERY_LENGTH, SHRINK = 16, 4, 2  # as in the recipe
MB = 2**20

Row = dict[str, Any]


def sizes(quick: bool) -> Row:
    """A row for each size; times of those that are not run follow from the operations."""
    rows = [row(size, timed=0 if quick and size > 64 else SIZES[size][2]) for size in SIZES]
    last = [one for one in rows if one["seconds_per_1000"] is not None][-1]
    for one in rows:
        one["estimate"] = one["seconds_per_1000"] is None
        if one["estimate"]:
            share = one["gflop_per_sample"] / last["gflop_per_sample"]
            one["seconds_per_1000"] = round(last["seconds_per_1000"] * share)
    return {
        "settings": {
            "r1": EVERY_R1,
            "path_length": EVERY_LENGTH,
            "threads": 1,
            "precision": "fp32",
        },
        "rows": rows,
    }


def row(size: int, timed: int) -> Row:
    """Parameters, operations and what is kept for the backward pass, counted without computing."""
    with torch.device("meta"):
        players = networks(size)
    seen = Counted()
    with torch.autograd.graph.saved_tensors_hooks(seen, lambda kept: kept):
        of_moves = {}
        for name in MOVES:
            seen.clear()
            counter = FlopCounterMode(display=False)
            with counter:
                move(name, players, 2, "meta")
            of_moves[name] = counter.get_total_flops() / 2 / 1e9, seen.total / 2 / MB
    operations = sum(of_moves[name][0] * share for name, share in MOVES.items())
    memory = max(kept for name, (_, kept) in of_moves.items())
    seconds = time_of(size, timed) if timed else None
    return {
        "pixels": size,
        "generator_parameters_m": millions(players[0]),
        "discriminator_parameters_m": millions(players[1]),
        "gflop_per_sample": round(operations, 1),
        "activation_mb_per_sample": round(memory),
        "seconds_per_1000": seconds,
    }


# Moves and how many there are for each sample.
MOVES = {
    "discriminator": 1.0,
    "r1": 1 / EVERY_R1,
    "generator": 1.0,
    "path-length": 1 / EVERY_LENGTH / SHRINK,
}


def networks(size: int) -> tuple[StyleGAN2Generator, StyleGAN2Discriminator]:
    width, growth, _ = SIZES[size]
    shape = (3, size, size)
    return (
        StyleGAN2Generator(512, shape, width, growth),
        StyleGAN2Discriminator(shape, width, growth),
    )


def move(
    name: str,
    players: tuple[StyleGAN2Generator, StyleGAN2Discriminator],
    count: int,
    device: str = "cpu",
) -> None:
    """Forward and backward pass of a move on so many samples."""
    generator, judge = players
    z = torch.randn(count, 512, device=device)
    real = torch.randn(
        count, *(3, generator.synthesis.size, generator.synthesis.size), device=device
    )
    learning = generator if name in ("generator", "path-length") else judge
    for player in players:
        player.requires_grad_(player is learning)
    if name == "discriminator":
        with torch.no_grad():
            fake = generator(z)
        loss = judge(real).sum() - judge(fake).sum()
    elif name == "r1":
        real.requires_grad_()
        loss = squared_gradient_norm(judge(real), real).sum()
    elif name == "generator":
        loss = judge(generator(z)).sum()
    else:
        made = generator(z, whole=True)
        assert isinstance(made, Made)
        total = (made.samples * torch.randn_like(made.samples)).sum()
        (slope,) = torch.autograd.grad(total, made.styles, create_graph=True)
        loss = slope.square().sum(2).mean(1).sqrt().sum()
    loss.backward()
    for player in players:
        player.zero_grad(set_to_none=True)


def time_of(size: int, count: int) -> float:
    """Seconds of one core for 1,000 samples, all moves in their shares."""
    players = networks(size)
    for player in players:
        player.to(memory_format=torch.channels_last)
    move("generator", players, count)
    total = 0.0
    for name, share in MOVES.items():
        started = time.perf_counter()
        move(name, players, count)
        total += share * (time.perf_counter() - started)
    return round(1000 * total / count)


class Counted:
    """The bytes of different tensors that are kept for a backward pass."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.kept: dict[int, Tensor] = {}

    def __call__(self, tensor: Tensor) -> Tensor:
        self.kept[id(tensor.untyped_storage())] = tensor
        return tensor

    @property
    def total(self) -> int:
        """Without what has no batch: weights are counted elsewhere."""
        maps = [one for one in self.kept.values() if not isinstance(one, nn.Parameter)]
        return sum(one.untyped_storage().nbytes() for one in maps if one.dim() == 4)


def millions(network: nn.Module) -> float:
    return round(sum(p.numel() for p in network.parameters()) / 1e6, 2)
