"""Figures of small samples in a space of features, from the distances between them alone."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

ROUNDS = 10  # of Lloyd's algorithm: regions need not be the best ones


def spread(x: Tensor) -> float:
    """The mean distance of two different rows of [N, F]."""
    return float(torch.pdist(x).mean()) if len(x) > 1 else 0.0


def energy(between: Tensor, of_x: float, of_y: float) -> float:
    """The energy distance (Székely and Rizzo, 2013) without the pairs of a row with itself."""
    return 2 * float(between.mean()) - of_x - of_y


def auc(higher: Tensor, lower: Tensor) -> float:
    """P(a > b) + ½ P(a = b) over all pairs."""
    ordered = lower.sort().values
    below = torch.searchsorted(ordered, higher.contiguous())
    at_most = torch.searchsorted(ordered, higher.contiguous(), right=True)
    return float((below + at_most).double().mean()) / (2 * len(lower))


def nearest_neighbours(real: Tensor, fake: Tensor) -> tuple[float, float]:
    """How often the neighbours of a row tell its side rightly, and the error of that by chance.

    As many rows of either side; each is judged by the majority of its √(2N) nearest others
    (Lopez-Paz and Oquab, 2017), and the error is that of as many coins as one side has rows.
    """
    count = min(len(real), len(fake))
    both = torch.cat([real[:count], fake[:count]])
    neighbours = int(math.sqrt(2 * count)) // 2 * 2 + 1
    apart = torch.cdist(both, both)
    apart.fill_diagonal_(torch.inf)
    # Which they are, not their order: several times as quick as topk.
    near = torch.from_numpy(np.argpartition(apart.cpu().numpy(), neighbours - 1, axis=1))
    near = near[:, :neighbours]
    says_fake = (near >= count).float().mean(1) > 0.5
    right = says_fake == (torch.arange(2 * count) >= count)
    return float(right.double().mean()), 0.5 / math.sqrt(count)


def regions(x: Tensor, count: int) -> Tensor:
    """Centres [count, F] of regions of rows [N, F] that are near each other, always the same."""
    centres = x[torch.linspace(0, len(x) - 1, count).long()].clone()
    for _ in range(ROUNDS):
        nearest = torch.cdist(x, centres).argmin(1)
        for place in range(count):
            members = x[nearest == place]
            if len(members):
                centres[place] = members.mean(0)
    return centres


def entropy(shares: Tensor) -> float:
    """In nats."""
    known = shares[shares > 0]
    return float(-(known * known.log()).sum())


def voted(x: Tensor, others: Tensor, labels: Tensor, itself: bool) -> Tensor:
    """The commonest label [N] of the five nearest others; `itself`: x are the others."""
    apart = torch.cdist(x, others)
    if itself:
        apart.fill_diagonal_(torch.inf)
    near = labels[apart.topk(min(5, len(others) - 1), largest=False).indices]
    return near.mode(1).values
