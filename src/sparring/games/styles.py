"""Samples of a style generator by its styles: walks through w, and mixtures."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparring.data import to_samples
from sparring.errors import InputError
from sparring.games.sampling import Inputs, Prior, in_batches
from sparring.games.walk import walk
from sparring.networks.styles import StyleGenerator, has_styles, styles_of


def style_generator(network: nn.Module, wish: str) -> StyleGenerator:
    """The network, if it has styles, which `wish` needs; else InputError."""
    if not has_styles(network):
        raise InputError(
            f"{wish} needs a generator with styles, which this one is not",
            "name a run of recipe stylegan2, or train one",
        )
    return network


def mapped(generator: nn.Module, inputs: Inputs, truncation: float | None = None) -> Tensor:
    """The styles [N, layers, size] of inputs, perhaps truncated towards the mean."""
    network = style_generator(generator, "a style")

    def styles(z: Tensor, labels: Tensor | None = None) -> Tensor:
        shares = None if truncation is None else torch.full((len(z),), truncation, device=z.device)
        return styles_of(network, z, labels, shares)

    return in_batches(generator, styles, *inputs)


def rendered(generator: nn.Module, styles: Tensor) -> Tensor:
    """The images uint8 [N, C, H, W] of styles [N, layers, size]."""
    network = style_generator(generator, "a style")
    return in_batches(generator, lambda w: to_samples(network.synthesis(w), True), styles)


def style_walk(
    generator: nn.Module,
    prior: Prior,
    seed: int,
    rows: int,
    columns: int = 8,
    label: int | None = None,
    truncation: float | None = None,
) -> Tensor:
    """Styles [rows * columns, layers, size] of rows that walk straight from each seed to the next.

    With classes each row is of one, as in `walk`.
    """
    ends = mapped(generator, walk(prior, seed, rows, 2, label), truncation)
    share = torch.linspace(0, 1, columns, device=ends.device)[None, :, None, None]
    start, end = ends.unflatten(0, (rows, 2)).unbind(1)
    return torch.lerp(start[:, None], end[:, None], share).flatten(0, 1)


def style_grid(
    generator: nn.Module,
    rows: Inputs,
    columns: Inputs,
    truncation: float | None = None,
) -> Tensor:
    """Images [(R + 1) * (C + 1), ...], row by row: coarse styles of rows, fine ones of columns.

    The first row and column are the sources themselves, the corner between them is empty. The
    first half of the layers is coarse.
    """
    coarse, fine = mapped(generator, rows, truncation), mapped(generator, columns, truncation)
    count = coarse.shape[1] // 2
    across = (len(coarse), len(fine), -1, -1)
    halves = coarse[:, None, :count].expand(across), fine[None, :, count:].expand(across)
    mixed = torch.cat(halves, dim=2)
    images = rendered(generator, mixed.flatten(0, 1)).unflatten(0, (len(coarse), len(fine)))
    above, beside = rendered(generator, fine), rendered(generator, coarse)
    corner = torch.zeros_like(above[:1])
    first = torch.cat([corner, above])
    others = torch.cat([beside[:, None], images], 1)
    return torch.cat([first[None], others]).flatten(0, 1)
