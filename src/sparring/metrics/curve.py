"""The precision-recall curve of two distributions (Sajjadi et al., 2018)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from sparring.metrics.record import Comparison
from sparring.randomness import keyed

CLUSTERS, REPEATS, ANGLES = 20, 10, 1001  # as published
MOST = 5000  # samples of each side
ROUNDS = 50  # of Lloyd's algorithm at most
TINY = 1e-10


class Curve(NamedTuple):
    """Precision and recall [ANGLES] for every trade-off, recall falling."""

    precision: Tensor
    recall: Tensor

    def best(self, beta: float) -> float:
        """The largest F_beta on the curve: beta 8 weighs recall, 1/8 precision."""
        weight = beta**2
        both = (1 + weight) * self.precision * self.recall
        return (both / (weight * self.precision + self.recall).clamp(min=TINY)).max().item()


def precision_recall_curve(comparison: Comparison) -> Curve:
    """What share of each side the other can make, over shares of samples in clusters of features.

    Clusters are those of k-means on both sides together, as many samples of each, in the mean over
    ten starts.
    """
    count = min(len(comparison.real), len(comparison.fake), MOST)
    sides = [
        side[torch.randperm(len(side), generator=keyed("curve", len(side)))[:count]]
        for side in (comparison.real, comparison.fake)
    ]
    both = torch.cat(sides).float()
    curves = []
    for start in range(REPEATS):
        cluster = k_means(both, min(CLUSTERS, count), start)
        shares = [
            part.bincount(minlength=CLUSTERS).double() / count for part in cluster.split(count)
        ]
        curves.append(curve_of_shares(*shares))
    precision, recall = (torch.stack(parts).mean(0) for parts in zip(*curves, strict=True))
    return Curve(precision, recall)


def curve_of_shares(real: Tensor, fake: Tensor) -> Curve:
    """The curve of two distributions [K] over the same K places."""
    angles = torch.linspace(TINY, math.pi / 2 - TINY, ANGLES, dtype=torch.float64)
    slopes = angles.tan()[:, None]
    precision = torch.minimum(real * slopes, fake).sum(1)
    recall = torch.minimum(real, fake / slopes).sum(1)
    return Curve(precision.clamp(0, 1), recall.clamp(0, 1))


def k_means(points: Tensor, clusters: int, start: int = 0) -> Tensor:
    """The cluster [N] of each point [N, F]: Lloyd's algorithm from a k-means++ start."""
    draw = keyed("k-means", start)
    centers = points[torch.randint(len(points), (1,), generator=draw)]
    far = torch.cdist(points, centers).squeeze(1).square()
    while len(centers) < clusters:
        if not far.sum() > 0:  # fewer distinct points than clusters
            break
        chosen = torch.multinomial(far, 1, generator=draw)
        centers = torch.cat([centers, points[chosen]])
        far = torch.minimum(far, torch.cdist(points, points[chosen]).squeeze(1).square())
    cluster = torch.cdist(points, centers).argmin(1)
    for _ in range(ROUNDS):
        counts = cluster.bincount(minlength=len(centers))
        sums = torch.zeros_like(centers).index_add_(0, cluster, points)
        moved = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp(min=1), centers)
        before, cluster = cluster, torch.cdist(points, moved).argmin(1)
        centers = moved
        if torch.equal(cluster, before):
            break
    return cluster
