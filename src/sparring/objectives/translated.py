"""Terms of generators that make images of images: how near these are to what they should be."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d

from sparring.errors import InputError
from sparring.networks.layers import seeded
from sparring.objectives.term import Term, Weight

G = "generator"
Players = Mapping[str, nn.Module]
VGG16_FILE = "vgg16-397923af.pth"
VGG16_URL = f"https://download.pytorch.org/models/{VGG16_FILE}"
VGG16_LAYERS = 23  # up to the last activation of the fourth stage
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # that torchvision's weights expect
WIDTHS = (32, 64, 128)  # of the random network


def l1(players: Players, weight: Weight, every: int) -> dict[str, Term]:
    """Mean absolute difference to the image that belongs to the input (Isola et al., 2017)."""
    return {G: Term("l1", lambda batch: pixels("l1", batch), weight, every)}


def l2(players: Players, weight: Weight, every: int) -> dict[str, Term]:
    """Mean squared difference: what pretraining minimizes in Ledig et al., 2017."""
    return {G: Term("l2", lambda batch: pixels("l2", batch), weight, every)}


def pixels(name: str, batch: Any) -> Tensor:
    """How far images made are from those that they should be, for each value."""
    _check_pairs(name, batch)
    away = batch.fake - batch.real
    return away.abs() if name == "l1" else away.square()


def content(players: Players, weight: Weight, every: int) -> dict[str, Term]:
    """Mean squared difference of the discriminator's own features of both images.

    What is content is learned with the rest (Larsen et al., 2016), so that no other network is
    needed.
    """

    def distance(batch: Any) -> Tensor:
        _check_pairs("content", batch)
        real, fake = batch.on_real.features, batch.on_fake.features
        if real is None or fake is None:
            raise InputError(
                "term `content` needs a discriminator that tells its features",
                "derive it from sparring.networks.discriminator.Discriminator, or take "
                "content-random",
            )
        return (real.detach() - fake).square()

    return {G: Term("content", distance, weight, every)}


def content_random(players: Players, weight: Weight, every: int) -> dict[str, Term]:
    """The same with the features of three random layers, which no training changes."""
    layers: dict[int, list[Tensor]] = {}

    def features(x: Tensor) -> list[Tensor]:
        weights = layers.setdefault(x.shape[1], _random_layers(x.shape[1]))
        found = []
        for kernel in weights:
            x = conv2d(x, kernel.to(x.device, x.dtype), padding=1).relu()
            found.append(x)
            x = avg_pool2d(x, 2, ceil_mode=True)
        return found

    return {G: Term("content-random", _compared("content-random", features), weight, every)}


def content_vgg16(players: Players, weight: Weight, every: int) -> dict[str, Term]:
    """The same with VGG16, trained on ImageNet, as in Ledig et al., 2017 (there VGG19)."""
    network = load_vgg16(Path(torch.hub.get_dir()) / "checkpoints" / VGG16_FILE)
    network.to(next(players[G].parameters()).device)

    def features(x: Tensor) -> list[Tensor]:
        mean, std = (torch.tensor(one, device=x.device).view(1, 3, 1, 1) for one in (MEAN, STD))
        return [network(((x.float() + 1) / 2 - mean) / std)]

    return {G: Term("content-vgg16", _compared("content-vgg16", features), weight, every)}


def cycle(players: Players, weight: Weight, every: int) -> dict[str, Term]:
    """There and back is where one was: mean absolute difference (Zhu et al., 2017)."""

    def distance(batch: Any) -> Tensor:
        _check_two_ways("cycle", batch)
        return (batch.cycled - batch.inputs).abs()

    return {G: Term("cycle", distance, weight, every)}


def identity(players: Players, weight: Weight, every: int) -> dict[str, Term]:
    """What is in the target domain already stays as it is (Zhu et al., 2017)."""

    def distance(batch: Any) -> Tensor:
        _check_two_ways("identity", batch)
        if batch.real.shape[1:] != batch.inputs.shape[1:]:
            raise InputError(
                "term `identity` needs both domains in the same channels",
                "set data.channels=3, or leave the term out",
            )
        return (batch.kept - batch.real).abs()

    return {G: Term("identity", distance, weight, every)}


def load_vgg16(path: Path) -> nn.Module:
    """The first four stages of VGG16 from torchvision's file; InputError says what is missing."""
    from torchvision.models.vgg import cfgs, make_layers

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        with seeded(0):
            layers = make_layers(cfgs["D"])[:VGG16_LAYERS]
        layers.load_state_dict({key: state[f"features.{key}"] for key in layers.state_dict()})
    except FileNotFoundError:
        raise InputError(
            f"term `content-vgg16` needs `{path}`, which is missing",
            f"download it there from {VGG16_URL}, or take the term `content`",
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError):
        raise InputError(
            f"`{path}` does not hold the weights of VGG16", f"download it again from {VGG16_URL}"
        ) from None
    return layers.eval().requires_grad_(False)


def _compared(name: str, features: Callable[[Tensor], list[Tensor]]) -> Callable[[Any], Tensor]:
    """The mean squared difference of the features of both images, for each sample."""

    def distance(batch: Any) -> Tensor:
        _check_pairs(name, batch)
        with torch.no_grad():
            wanted = features(_colour(name, batch.real))
        found = features(_colour(name, batch.fake))
        away = [(a - b).square().flatten(1).mean(1) for a, b in zip(found, wanted, strict=True)]
        return torch.stack(away).mean(0)

    return distance


def _colour(name: str, x: Tensor) -> Tensor:
    return x.expand(-1, 3, -1, -1) if name == "content-vgg16" else x


def _random_layers(channels: int) -> list[Tensor]:
    """Kernels with He's deviation, the same for ever."""
    draw = torch.Generator().manual_seed(channels)
    kernels = []
    for width in WIDTHS:
        scale = math.sqrt(2 / (9 * channels))
        kernels.append(torch.randn(width, channels, 3, 3, generator=draw) * scale)
        channels = width
    return kernels


def _check_pairs(name: str, batch: Any) -> None:
    if not getattr(batch, "is_paired", False):
        raise InputError(
            f"term `{name}` compares each image with the one that belongs to its input, and there "
            "is none here",
            "leave it out; the recipes pix2pix and srgan have such pairs",
        )


def _check_two_ways(name: str, batch: Any) -> None:
    if not getattr(batch, "has_way_back", False):
        raise InputError(
            f"term `{name}` needs a generator for each direction",
            "leave it out; the recipe cyclegan has both",
        )
