"""Multilayer perceptrons for vectors and for images of any shape."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from sparring.networks.discriminator import (
    Discriminator,
    Head,
    JudgeCondition,
    normalize_spectrum,
    packed_shape,
)
from sparring.networks.layers import (
    ACTIVATIONS,
    ActivationName,
    Dropout,
    InitName,
    NormalizationName,
    given,
    initialize,
    normalization_1d,
)
from sparring.networks.minibatch import MinibatchName
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
    """z [N, latent_size] to samples [N, *shape]: tanh for images, linear for vectors.

    With `condition=embedding` an embedding of the label is concatenated to z (Mirza and Osindero,
    2014).
    """

    def __init__(
        self,
        latent_size: int,
        shape: tuple[int, ...],
        width: Positive | Widths = [256, 512, 1024],  # noqa: B006 - read only
        activation: ActivationName = "leaky_relu",
        normalization: NormalizationName = "none",
        dropout: Share = 0.0,
        init: InitName = "default",
        condition: Literal["none", "embedding"] = "none",
        embedding: Positive = 50,
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.shape, self.classes = shape, classes
        widths = [width] if isinstance(width, int) else list(width)
        inputs = latent_size + (embedding if classes else 0)
        layers = hidden_layers(inputs, widths, activation, normalization, dropout)
        layers.append(nn.Linear(widths[-1], math.prod(shape)))
        if len(shape) == 3:
            layers.append(nn.Tanh())
        self.layers = nn.Sequential(*layers)
        self.embedding = nn.Embedding(classes, embedding) if classes else None
        initialize(self, init)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(given(labels))], dim=1)
        return self.layers(z).view(-1, *self.shape)


class MLPDiscriminator(Discriminator):
    """Samples [N, *shape] to logits [N].

    With `condition=embedding` an embedding of the label is concatenated to the sample (Mirza and
    Osindero, 2014); `projection` and `auxiliary` are the head's.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: Positive | Widths = [512, 256],  # noqa: B006 - read only
        activation: ActivationName = "leaky_relu",
        normalization: NormalizationName = "none",
        dropout: Share = 0.0,
        init: InitName = "default",
        condition: JudgeCondition = "none",
        embedding: Positive = 50,
        classes: int = 0,
        minibatch: MinibatchName = "none",
        packing: Positive = 1,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        self.classes, self.packing = classes, packing
        widths = [width] if isinstance(width, int) else list(width)
        concatenated = condition == "embedding"
        inputs = math.prod(packed_shape(shape, packing, classes))
        inputs += embedding if concatenated else 0
        layers = hidden_layers(inputs, widths, activation, normalization, dropout)
        self.layers = nn.Sequential(*layers)
        self.head = Head(widths[-1], classes, condition, minibatch=minibatch)
        self.embedding = nn.Embedding(classes, embedding) if concatenated else None
        initialize(self, init)
        if spectral_norm:
            normalize_spectrum(self)

    def features(self, x: Tensor, labels: Tensor | None) -> Tensor:
        flat = x.flatten(1)
        if self.embedding is not None:
            flat = torch.cat([flat, self.embedding(given(labels)).to(flat.dtype)], dim=1)
        return self.layers(flat)
