"""What style generators share: latents to styles, styles to images, and the mean style."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeGuard

import torch
from torch import Tensor, nn


class Made(NamedTuple):
    """Samples [N, ...] of a generator, and the styles [N, layers, size] that they are made of."""

    samples: Tensor
    styles: Tensor


class StyleGenerator(Protocol):
    """A generator in two parts: `mapping(z, labels)` [N, size], `synthesis(styles)` [N, ...].

    `synthesis` is given a style for each of its `layers`; `mean_style` [size] is the mean w. Called
    with `whole` it returns what it made as `Made`.
    """

    mapping: nn.Module
    synthesis: nn.Module
    mean_style: Tensor
    layers: int

    def __call__(
        self, z: Tensor, labels: Tensor | None = None, whole: bool = False
    ) -> Tensor | Made: ...


def has_styles(network: nn.Module | StyleGenerator) -> TypeGuard[StyleGenerator]:
    """Whether a network is a style generator."""
    parts = (getattr(network, name, None) for name in ("mapping", "synthesis"))
    return all(isinstance(part, nn.Module) for part in parts) and hasattr(network, "mean_style")


def styles_of(
    network: StyleGenerator,
    z: Tensor,
    labels: Tensor | None = None,
    truncation: Tensor | None = None,
) -> Tensor:
    """The styles [N, layers, size] of latents, truncated [N] towards the mean: 0 is it."""
    given = (z,) if labels is None else (z, labels)
    w = network.mapping(*given)
    if truncation is not None:
        w = torch.lerp(network.mean_style.to(w.dtype), w, truncation[:, None].to(w.dtype))
    return w[:, None].expand(-1, network.layers, -1)


def truncated(
    network: nn.Module, z: Tensor, labels: Tensor | None = None, truncation: Tensor | None = None
) -> Tensor:
    """Samples of latents [N, size]; with `truncation` [N] nearer to the mean: 0 is it, 1 is z.

    What is scaled is w of a style generator, around its mean (Karras et al., 2019), z of others.
    """
    if truncation is not None and has_styles(network):
        samples: Tensor = network.synthesis(styles_of(network, z, labels, truncation))
        return samples
    if truncation is not None:
        z = z * truncation[:, None].to(z.dtype)
    made: Tensor = network(z) if labels is None else network(z, labels)
    return made
