"""Multilayer perceptrons for vectors and for images of any shape."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from sparring.networks.layers import (
    ACTIVATIONS,
    ActivationName,
    Dropout,
    InitName,
    NormalizationName,
    initialize,
    normalization_1d,
)
from sparring.recipe import Positive, Share

Widths = Annotated[list[Positive], Field(min_length=1)]


def hidden_layers(
    inputs: int,
    widths: list[int],
    activation: ActivationName,
    normalization: NormalizationName,
    dropout: float,
) -> list[nn.Module]:
    """Linear, activation, normalization, dropout, in this order, for each width."""
    layers: list[nn.Module] = []
    for before, after in zip([inputs, *widths], widths, strict=False):
        layers += [nn.Linear(before, after), ACTIVATIONS[activation]()]
        layers += normalization_1d(normalization, after)
        layers += [Dropout(dropout)] if dropout else []
    return layers


class MLPGenerator(nn.Module):
    """z [N, latent_size] to samples [N, *shape]: tanh for images, linear for vectors."""

    def __init__(
        self,
        latent_size: int,
        shape: tuple[int, ...],
        width: Positive | Widths = [256, 512, 1024],  # noqa: B006 - read only
        activation: ActivationName = "leaky_relu",
        normalization: NormalizationName = "none",
        dropout: Share = 0.0,
        init: InitName = "default",
    ) -> None:
        super().__init__()
        self.shape = shape
        widths = [width] if isinstance(width, int) else list(width)
        layers = hidden_layers(latent_size, widths, activation, normalization, dropout)
        layers.append(nn.Linear(widths[-1], math.prod(shape)))
        if len(shape) == 3:
            layers.append(nn.Tanh())
        self.layers = nn.Sequential(*layers)
        initialize(self, init)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).view(-1, *self.shape)


class MLPDiscriminator(nn.Module):
    """Samples [N, *shape] to logits [N]."""

    def __init__(
        self,
        shape: tuple[int, ...],
        width: Positive | Widths = [512, 256],  # noqa: B006 - read only
        activation: ActivationName = "leaky_relu",
        normalization: NormalizationName = "none",
        dropout: Share = 0.0,
        init: InitName = "default",
    ) -> None:
        super().__init__()
        widths = [width] if isinstance(width, int) else list(width)
        layers = hidden_layers(math.prod(shape), widths, activation, normalization, dropout)
        self.layers = nn.Sequential(nn.Flatten(), *layers, nn.Linear(widths[-1], 1))
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).squeeze(1)
