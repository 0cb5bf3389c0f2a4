"""Parts of one's own that break a run, for what no recipe key can break."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sparring.data import Dataset, open_data
from sparring.networks import NETWORKS
from sparring.networks.discriminator import Judgement
from sparring.networks.layers import ConditionalBatchNorm2d
from sparring.objectives import Loss
from sparring.objectives.losses import LOSSES
from sparring.recipe import Data
from sparring.recipes import load_recipe

Make = Callable[..., nn.Module]

OVERFLOWS_AT = 256.0  # squares beyond this one's are no number in half precision


def altered(make: Make, change: Callable[[nn.Module], None]) -> Make:
    """A constructor of the same network with something changed in it."""

    @functools.wraps(make)
    def altered_network(*sizes: Any, **options: Any) -> nn.Module:
        network = make(*sizes, **options)
        change(network)
        return network

    return altered_network


def generator_of(recipe: str, change: Callable[[nn.Module], None]) -> Make:
    return altered(NETWORKS[load_recipe(recipe).generator.name].generator, change)


def discriminator_of(recipe: str, change: Callable[[nn.Module], None]) -> Make:
    return altered(NETWORKS[load_recipe(recipe).discriminator.name].discriminator, change)


def end_in_sigmoid(network: nn.Module) -> None:
    """Probabilities where every loss expects logits."""

    def squashed(_module: nn.Module, _given: Any, said: Tensor | Judgement) -> Tensor | Judgement:
        if isinstance(said, Judgement):
            return said._replace(logits=said.logits.sigmoid())
        return said.sigmoid()

    network.register_forward_hook(squashed)


def upper_half(network: nn.Module) -> None:
    """Images in [0, 1] where data are in [-1, 1]."""
    network.register_forward_hook(lambda _module, _given, made: (made + 1) / 2)


def within_one(network: nn.Module) -> None:
    """Vectors in [-1, 1] where data go beyond."""
    network.register_forward_hook(lambda _module, _given, made: made.tanh())


def deaf(network: nn.Module) -> None:
    """A generator that hardly hears its latents."""
    network.register_forward_pre_hook(lambda _module, given: (given[0] * 0.02, *given[1:]))


def frozen(network: nn.Module) -> None:
    """A generator that no gradient moves."""
    network.register_forward_hook(lambda _module, _given, made: made.detach() + 0 * made)


@torch.no_grad()
def saturate(network: nn.Module) -> None:
    """The last layer's weights so large that the tanh behind it is flat."""
    linear = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    last = [layer for layer in network.modules() if isinstance(layer, linear)][-1]
    last.weight.mul_(300)


@torch.no_grad()
def kill_units(network: nn.Module) -> None:
    """Biases before a ReLU so low that hardly a unit ever answers."""
    normalizations = (nn.BatchNorm1d, nn.BatchNorm2d, ConditionalBatchNorm2d)
    layers = list(network.modules())
    found = [layer for layer in layers if isinstance(layer, normalizations)]
    if not found:
        found = [layer for layer in layers if isinstance(layer, nn.Linear)][:-1]
    for layer in found:
        layer.bias.fill_(-6.0)


def copy(network: nn.Module) -> None:
    """Training images instead of generated ones: which is a function of z, nothing is learned."""
    images = open_data(Data(name="mnist5k")).split("train")[:500]
    network.register_buffer("copied", images.float() / 127.5 - 1)

    def copied(module: nn.Module, given: Any, made: Tensor) -> Tensor:
        which = (given[0][:, 0].float() * 1e4).round().long() % len(module.copied)
        return module.copied[which].to(made.dtype) + 0 * made

    network.register_forward_hook(copied)


def swapped() -> Loss:
    """Real and fake labels exchanged for the discriminator, as in the commonest slip of all."""
    right = LOSSES["logistic"]
    return Loss(real=right.fake, fake=right.real, generator=right.generator)


def overflowing() -> Loss:
    """Least squares in half precision, scaled up as if no scaler ever looked."""

    def squared(distance: Tensor) -> Tensor:
        return (distance * 100).half().square().float() / 1e4

    return Loss(
        real=lambda r: squared(r - 1),
        fake=lambda f: squared(f + 1),
        generator=lambda f: squared(f - 1),
        probabilistic=False,
    )


def few(dataset: Dataset, count: int) -> Dataset:
    """Only so many training samples; what is scored against stays whole."""
    splits = dataset.splits | {"train": dataset.splits["train"][:count]}
    return replace(dataset, name=f"{dataset.name}-{count}", splits=splits, content="")


def one_class(dataset: Dataset, label: int = 3) -> Dataset:
    """Training samples of one class only."""
    assert dataset.labels is not None
    train = dataset.splits["train"]
    splits = dataset.splits | {"train": train[dataset.labels[train] == label]}
    return replace(dataset, name=f"{dataset.name}-only-{label}", splits=splits, content="")


def shuffled_labels(dataset: Dataset) -> Dataset:
    """Labels that say nothing of the images."""
    assert dataset.labels is not None
    order = torch.randperm(len(dataset.labels), generator=torch.Generator().manual_seed(0))
    name = f"{dataset.name}-shuffled"
    return replace(dataset, name=name, labels=dataset.labels[order], content="")
