"""Samples that are there twice: the same pixels, or pictures that a person would take for one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import torch
from torch import Tensor

Twins = dict[int, int]  # the place of a sample to that of the first one that is like it

BASIS = 8  # frequencies a side that the search compares
ALIKE = 0.99  # cosine of their amplitudes from which the pictures themselves are compared
APART = 0.1  # root mean square difference, of the contrast, up to which they are one
ROWS = 256  # compared with all later ones at a time; pairs that are checked: 64 times as many


def same_twins(keys: Mapping[int, Hashable]) -> Twins:
    """Those whose key was there before."""
    first: dict[Hashable, int] = {}
    found = {place: first.setdefault(key, place) for place, key in keys.items()}
    return {place: earlier for place, earlier in found.items() if earlier != place}


def near_twins(pictures: Mapping[int, np.ndarray], same: Twins) -> Twins:
    """Those whose grey picture [S, S] is nearly that of an earlier one, `same` ones aside.

    Brightness and contrast do not count, so that another exposure, size or compression of one
    picture is found; another crop is not. All pairs are compared by their lowest frequencies, as a
    perceptual hash does, but by amplitudes in place of bits: then it is one matrix product.
    """
    places = [place for place in pictures if place not in same]
    if len(places) < 2:
        return {}
    small = torch.from_numpy(np.stack([pictures[place] for place in places]))
    low = _low_frequencies(small)
    twins: Twins = {}
    for start in range(0, len(low), ROWS):
        rows = low[start : start + ROWS]
        likeness = rows @ low[start:].T
        first, second = (likeness > ALIKE).triu(diagonal=1).nonzero().unbind(1)
        for a, b in zip(first.split(ROWS * 64), second.split(ROWS * 64), strict=True):
            near = _differences(small[start + a], small[start + b]) < APART
            for one, other in zip(a[near].tolist(), b[near].tolist(), strict=True):
                earlier, later = places[start + one], places[start + other]
                twins.setdefault(later, twins.get(earlier, earlier))
    return dict(sorted(twins.items()))


def _low_frequencies(small: Tensor) -> Tensor:
    """Unit vectors [N, 63] of the lowest cosine amplitudes of pictures [N, S, S], but the mean."""
    side = small.shape[-1]
    angle = torch.outer(torch.arange(BASIS), torch.arange(side) + 0.5) * (torch.pi / side)
    basis = angle.cos()
    parts = [basis @ part.float() @ basis.T for part in small.split(ROWS)]
    return torch.nn.functional.normalize(torch.cat(parts).flatten(1)[:, 1:], dim=1)


def _differences(a: Tensor, b: Tensor) -> Tensor:
    """Root mean square differences [n] of pictures [n, S, S] of the same mean and contrast."""
    x, y = (one.float().flatten(1) for one in (a, b))
    x, y = (one - one.mean(1, keepdim=True) for one in (x, y))
    x, y = (one / one.norm(dim=1, keepdim=True).clamp_min(1e-6) for one in (x, y))
    return (x - y).norm(dim=1)
