"""Networks by name; their options are the parameters of their constructors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sparring.errors import InputError, said_by
from sparring.lookup import complete_options, find
from sparring.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from sparring.networks.discriminator import takes_labels
from sparring.networks.layers import seeded
from sparring.networks.mlp import MLPDiscriminator, MLPGenerator
from sparring.networks.moments import MomentsDiscriminator
from sparring.networks.patch import PatchDiscriminator
from sparring.networks.probe import outputs
from sparring.networks.progressive import ProgressiveDiscriminator, ProgressiveGenerator
from sparring.networks.r3gan import R3GANDiscriminator, R3GANGenerator
from sparring.networks.resnet import ResNetDiscriminator, ResNetGenerator
from sparring.networks.stylegan2 import StyleGAN2Discriminator, StyleGAN2Generator
from sparring.networks.translators import ResidualTranslator, UNetGenerator
from sparring.networks.upscaler import Upscaler
from sparring.recipe import Network

__all__ = [
    "NETWORKS",
    "Family",
    "build_discriminator",
    "build_generator",
    "count_parameters",
    "takes_labels",
]


class Family(NamedTuple):
    """The constructors of one kind of network.

    The generator takes (latent_size, shape, **options), or in place of the size the shape of the
    images that it translates; the discriminator (shape, **options).
    """

    generator: Callable[..., nn.Module]
    discriminator: Callable[..., nn.Module]


NETWORKS: dict[str, Family] = {
    "mlp": Family(MLPGenerator, MLPDiscriminator),
    "dcgan": Family(DCGANGenerator, DCGANDiscriminator),
    "resnet": Family(ResNetGenerator, ResNetDiscriminator),
    "r3gan": Family(R3GANGenerator, R3GANDiscriminator),
    "progressive": Family(ProgressiveGenerator, ProgressiveDiscriminator),
    "stylegan2": Family(StyleGAN2Generator, StyleGAN2Discriminator),
    "moments": Family(MLPGenerator, MomentsDiscriminator),  # only its discriminator is special
    "translator": Family(ResidualTranslator, PatchDiscriminator),
    "unet": Family(UNetGenerator, PatchDiscriminator),
    "upscaler": Family(Upscaler, DCGANDiscriminator),
    "patch": Family(ResidualTranslator, PatchDiscriminator),
}


def build_generator(
    network: Network,
    given: int | tuple[int, ...],
    shape: tuple[int, ...],
    seed: int,
    make: Callable[..., nn.Module] | None = None,
    classes: int = 0,
) -> nn.Module:
    """The generator that a recipe names, or `make` does; its options are completed in `network`.

    `given` is the size of its latents, or the shape of the images that it makes images of.
    `classes` is how many the data has; only a network with a constructor parameter of that name,
    and a `condition`, is given them.
    """
    own = make is not None or network.name not in NETWORKS
    make = make or _constructor(network, "generator")
    if not own:
        _check_kind(network.name, getattr(make, "translates", False), given)
    _complete(network, make, "generator", classes)
    made = _made(network, make, "generator", seed, given, shape)
    if own:
        sizes = given if isinstance(given, tuple) else (given,)
        _check_own("generator", made, torch.zeros(2, *sizes), (2, *shape))
    return made


def build_discriminator(
    network: Network,
    shape: tuple[int, ...],
    seed: int,
    make: Callable[..., nn.Module] | None = None,
    classes: int = 0,
) -> nn.Module:
    """The discriminator, as `build_generator` does it."""
    own = make is not None or network.name not in NETWORKS
    make = make or _constructor(network, "discriminator")
    _complete(network, make, "discriminator", classes)
    made = _made(network, make, "discriminator", seed, shape)
    if own:
        _check_own("discriminator", made, torch.zeros(2, *shape), None)
    return made


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _check_kind(name: str, translates: bool, given: int | tuple[int, ...]) -> None:
    """InputError for a network of latents where images are given, or the other way round."""
    if translates == isinstance(given, tuple):
        return
    fitting = [
        other
        for other, family in NETWORKS.items()
        if getattr(family.generator, "translates", False) != translates
    ]
    takes, needed = ("images", "latents") if translates else ("latents", "images")
    raise InputError(
        f"generator.name: `{name}` takes {takes}, this recipe gives {needed}",
        f"choose one of: {', '.join(fitting)}",
    )


def _constructor(network: Network, player: str) -> Callable[..., nn.Module]:
    found = find(NETWORKS, network.name, f"{player}.name")
    return getattr(found, player) if isinstance(found, Family) else found


def _made(
    network: Network, make: Callable[..., nn.Module], player: str, seed: int, *sizes: Any
) -> nn.Module:
    """The network; whatever its constructor objects to is told as wrong input."""
    try:
        with seeded(seed):
            made = make(*sizes, **network.options())
    except InputError:
        raise
    except Exception as error:  # sizes beyond memory, or anything in the user's own code
        hint = (
            f"its constructor takes ({'latent_size, ' * (player == 'generator')}shape, **options)"
        )
        if network.name in NETWORKS:
            hint = f"lower {player}.width, latent.size or the size of the data"
        raise InputError(
            f"{player}: `{network.name}` cannot be made: {said_by(error)}", hint
        ) from error
    if not isinstance(made, nn.Module) or not any(p.requires_grad for p in made.parameters()):
        raise InputError(
            f"{player}: `{network.name}` makes nothing that can learn",
            "give the constructor of a torch.nn.Module with parameters",
        )
    return made


def _check_own(
    player: str, made: nn.Module, inputs: Tensor, expected: tuple[int, ...] | None
) -> None:
    """Try one's own network once, so that what does not fit is told before training."""
    takes = f"inputs of shape {tuple(inputs.shape)}"
    try:
        found = outputs(made, inputs)
    except Exception as error:  # the user's own code
        raise InputError(
            f"{player}: {type(made).__name__} fails on {takes}: {said_by(error)}",
            "let its layers follow the `latent_size` and `shape` that its constructor is given",
        ) from error
    if expected is not None and tuple(found.shape) != expected:
        raise InputError(
            f"{player}: {type(made).__name__} makes samples of shape {tuple(found.shape[1:])}, "
            f"the data are of shape {expected[1:]}",
            "let `forward` end with .view(-1, *shape)",
        )


def _complete(network: Network, make: Callable[..., nn.Module], section: str, classes: int) -> None:
    """Complete the options, with the number of classes of a conditional network.

    Those of a stored recipe stay.
    """
    options = complete_options(network, make, section, "network")
    if "classes" not in options:
        return
    if options.get("condition", "classes") == "none":
        network.classes = 0  # type: ignore[attr-defined]
        return
    network.classes = classes or options.get("classes", 0)  # type: ignore[attr-defined]
    if "condition" in options and not options["classes"] and not classes:
        raise InputError(
            f"{section}.condition={options['condition']} needs labelled data",
            f"give data with classes (one subfolder each), or set {section}.condition=none",
        )
