"""Networks by name; their options are the parameters of their constructors."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import nn

from sparring.errors import InputError, did_you_mean
from sparring.lookup import find
from sparring.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from sparring.networks.layers import seeded
from sparring.networks.mlp import MLPDiscriminator, MLPGenerator
from sparring.networks.moments import MomentsDiscriminator
from sparring.recipe import Network

__all__ = ["NETWORKS", "Family", "build_discriminator", "build_generator", "count_parameters"]


class Family(NamedTuple):
    """The constructors of one kind of network.

    The generator takes (latent_size, shape, **options), the discriminator (shape, **options).
    """

    generator: Callable[..., nn.Module]
    discriminator: Callable[..., nn.Module]


NETWORKS: dict[str, Family] = {
    "mlp": Family(MLPGenerator, MLPDiscriminator),
    "dcgan": Family(DCGANGenerator, DCGANDiscriminator),
    "moments": Family(MLPGenerator, MomentsDiscriminator),  # only its discriminator is special
}


def build_generator(
    network: Network,
    latent_size: int,
    shape: tuple[int, ...],
    seed: int,
    make: Callable[..., nn.Module] | None = None,
) -> nn.Module:
    """The generator that a recipe names, or `make` does; its options are completed in `network`."""
    make = make or _constructor(network, "generator")
    complete_options(network, make, "generator")
    with seeded(seed):
        return make(latent_size, shape, **network.options())


def build_discriminator(
    network: Network,
    shape: tuple[int, ...],
    seed: int,
    make: Callable[..., nn.Module] | None = None,
) -> nn.Module:
    """The discriminator, as `build_generator` does it."""
    make = make or _constructor(network, "discriminator")
    complete_options(network, make, "discriminator")
    with seeded(seed):
        return make(shape, **network.options())


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _constructor(network: Network, player: str) -> Callable[..., nn.Module]:
    found = find(NETWORKS, network.name, f"{player}.name")
    return getattr(found, player) if isinstance(found, Family) else found


def complete_options(network: Network, make: Callable[..., nn.Module], section: str) -> None:
    """Check the options against the constructor's parameters and fill in its defaults."""
    target = make.__init__ if inspect.isclass(make) else make
    hints = typing.get_type_hints(target, include_extras=True)
    known = {
        name: parameter
        for name, parameter in inspect.signature(make).parameters.items()
        if name not in ("latent_size", "shape")
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    for name, value in network.options().items():
        if name not in known:
            hint = did_you_mean(name, known) if known else "it has no options"
            raise InputError(
                f"`{section}.{name}`: network `{network.name}` has no such option",
                hint.replace("`", f"`{section}.", 1),
            )
        try:
            adapter = TypeAdapter(hints.get(name, Any), config=ConfigDict(strict=False))
            setattr(network, name, adapter.validate_python(value))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]["msg"]
            raise InputError(
                f"{section}.{name}={value!r}: {problem[0].lower()}{problem[1:]}",
                f"set it with {section}.{name}=VALUE",
            ) from None
    for name, parameter in known.items():
        if name not in network.options() and parameter.default is not parameter.empty:
            setattr(network, name, parameter.default)
