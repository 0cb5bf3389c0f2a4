"""Copies of training data, and whether a fresh classifier can tell generated from real."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from sparring.errors import InputError
from sparring.metrics.record import Comparison, Estimate
from sparring.networks.layers import seeded

ROWS = 500  # of distances at a time
QUANTILE = 0.01
HIDDEN, STEPS, FOLDS = 64, 300, 2


def memorization(comparison: Comparison) -> Estimate:
    """How often a generated sample is nearer to the training set than a held-out one.

    ½ = as near as unseen real data, 1 = copies, below ½ = farther than real data are (Meehan et
    al., 2020, as a share of pairs). The flag counts the ones nearer than almost any held-out one.
    """
    assert comparison.train is not None
    assert comparison.held_out is not None
    unseen, train = comparison.held_out, comparison.train
    held_out: Tensor | None = comparison.kept.get("nearest held-out")
    if held_out is None:  # both at once: the training set is gone through one time
        held_out, fake = nearest([unseen, comparison.fake], train())
        comparison.kept["nearest held-out"] = held_out
    else:
        (fake,) = nearest([comparison.fake], train())
    value, error = share_of_pairs(fake, held_out)
    close = (fake < held_out.quantile(QUANTILE)).double().mean().item()
    told = f"{close:.1%} nearer than all but {QUANTILE:.0%} of held-out samples"
    return Estimate(value, error, [told])


def nearest(groups: Sequence[Tensor], parts: Iterable[Tensor]) -> list[Tensor]:
    """Of each group of points [N, F] the distances [N] to the nearest of the others, which come in
    parts."""
    single = [points.float() for points in groups]  # twice as quick, and exact enough to rank
    least = [points.new_full((len(points),), torch.inf) for points in single]
    for others in parts:
        others = others.float()
        for place, points in enumerate(single):
            found = [torch.cdist(some, others).min(1).values for some in points.split(ROWS)]
            least[place] = torch.minimum(least[place], torch.cat(found))
    return least


def share_of_pairs(smaller: Tensor, larger: Tensor) -> tuple[float, float]:
    """P(a < b) + ½ P(a = b) over all pairs, and its standard error where both are equal."""
    ordered = larger.sort().values
    above = len(ordered) - torch.searchsorted(ordered, smaller, right=True)
    equal = len(ordered) - torch.searchsorted(ordered, smaller, right=False) - above
    n, m = len(smaller), len(larger)
    value = (above + 0.5 * equal).double().mean().item() / m
    return value, math.sqrt((n + m + 1) / (12 * n * m))


def two_sample(comparison: Comparison) -> Estimate:
    """The accuracy of a fresh classifier of features, real or generated: ½ where they are alike.

    A network of one hidden layer, trained on one half and tested on the other, then the other way
    round (Lopez-Paz and Oquab, 2017); as many of one side as of the other.
    """
    count = min(len(comparison.real), len(comparison.fake))
    if count < 2 * FOLDS:
        raise InputError(f"{count} samples are too few for `two-sample`", "give at least 4")
    features = torch.cat([comparison.real[:count], comparison.fake[:count]]).float()
    features = (features - features.mean(0)) / features.std(0).clamp(min=1e-6)
    labels = (torch.arange(2 * count) >= count).float()
    fold = torch.arange(2 * count) % FOLDS
    right = torch.cat(
        [_tested(features, labels, fold != held_out, fold == held_out) for held_out in range(FOLDS)]
    )
    accuracy = right.double().mean().item()
    # As if of one fold: where the halves happen to differ both classifiers err alike.
    return Estimate(accuracy, 0.5 / math.sqrt(count))


def _tested(features: Tensor, labels: Tensor, seen: Tensor, unseen: Tensor) -> Tensor:
    """Train on the rows `seen`; whether each of `unseen` is classified rightly."""
    with seeded(0):
        network = nn.Sequential(
            nn.Linear(features.shape[1], HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, 1)
        )
        optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.1)
        with torch.enable_grad():
            for _ in range(STEPS):
                logits = network(features[seen]).squeeze(1)
                loss = nn.functional.binary_cross_entropy_with_logits(logits, labels[seen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    with torch.no_grad():
        return (network(features[unseen]).squeeze(1) > 0) == labels[unseen].bool()
