"""The loop one would write by hand: what a step of the package does, without the package's step.

Same networks, same precision, memory format, optimizer, indexing, frozen opponent, joint forward
pass and averaging; no keys for its random draws, no statistics, no phases, no checkpoints. The
recipes measured have no penalties.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from sparring.data import Dataset
from sparring.networks import build_discriminator, build_generator
from sparring.networks.layers import Dropout, uses_batch_statistics
from sparring.recipe import Recipe
from sparring.training.precision import has_native_bf16

CPU = torch.device("cpu")


def bare_steps(recipe: Recipe, dataset: Dataset) -> Iterator[None]:
    """Train a recipe's networks for ever; each turn is one step."""
    latent, batch_size = recipe.latent.size, recipe.batch_size
    generator, discriminator = (
        player.to(memory_format=torch.channels_last).train()
        for player in (
            build_generator(recipe.generator, latent, dataset.shape, seed=0),
            build_discriminator(recipe.discriminator, dataset.shape, seed=0),
        )
    )
    draw_noise(discriminator)
    joint = not uses_batch_statistics(discriminator)
    optimizer_g, optimizer_d = (
        torch.optim.Adam(player.parameters(), chosen.lr, chosen.betas, fused=True)
        for player, chosen in (
            (generator, recipe.optimizer.generator),
            (discriminator, recipe.optimizer.discriminator),
        )
    )
    average = copy.deepcopy(generator).eval().requires_grad_(False)
    pairs = [(average.state_dict()[name], value) for name, value in generator.state_dict().items()]
    floats = [pair for pair in pairs if pair[0].is_floating_point()]
    averaged, current = (list(side) for side in zip(*floats, strict=True))
    counters = [pair for pair in pairs if not pair[0].is_floating_point()]
    weights = {player: list(player.parameters()) for player in (generator, discriminator)}
    keep = 1 - 0.5 ** (batch_size / recipe.ema.half_life) if recipe.ema.half_life else 1.0
    values = dataset.values
    bf16 = recipe.precision.generator != "fp32" and has_native_bf16(CPU)

    def autocast() -> AbstractContextManager[Any]:
        return torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext()

    def learn(player: nn.Module) -> None:
        for one, parameters in weights.items():
            for parameter in parameters:
                parameter.requires_grad_(one is player)

    for chosen in endless(dataset.splits["train"], batch_size):
        learn(discriminator)
        real = scaled(values[chosen])
        z = torch.randn(batch_size, latent)
        with torch.no_grad(), autocast():
            fake = generator(z)
        fake = fake.float()
        with autocast():
            if joint:
                on_real, on_fake = discriminator(torch.cat([real, fake])).chunk(2)
            else:
                on_real, on_fake = discriminator(real), discriminator(fake)
        loss = (softplus(-on_real.float()) + softplus(on_fake.float())).mean()
        loss.backward()
        optimizer_d.step()
        optimizer_d.zero_grad(set_to_none=True)

        learn(generator)
        z = torch.randn(batch_size, latent)
        with autocast():
            logits = discriminator(generator(z).float())
        softplus(-logits.float()).mean().backward()
        optimizer_g.step()
        optimizer_g.zero_grad(set_to_none=True)

        torch._foreach_lerp_(averaged, current, keep)
        for old, new in counters:
            old.copy_(new)
        yield


def endless(indices: Tensor, batch_size: int) -> Iterator[Tensor]:
    """Shuffled passes over the indices, in whole batches."""
    while True:
        order = indices[torch.randperm(len(indices))]
        yield from order.split(batch_size)[: len(order) // batch_size]


def scaled(values: Tensor) -> Tensor:
    """uint8 images in [-1, 1], channels last; vectors as they are."""
    if values.dtype != torch.uint8:
        return values
    return values.float().div_(127.5).sub_(1).contiguous(memory_format=torch.channels_last)


def draw_noise(network: nn.Module) -> None:
    """Feed the package's dropout from one generator: much quicker than PyTorch's own on a CPU."""
    draw = torch.Generator().manual_seed(0)

    def noise(shape: torch.Size) -> Tensor:
        words = torch.empty(shape.numel() // 4, dtype=torch.int64)
        return words.random_(-(2**63), None, generator=draw).view(torch.int16).view(shape)

    for layer in network.modules():
        if isinstance(layer, Dropout):
            layer.noise = noise
