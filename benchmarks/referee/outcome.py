"""What came of a run, by measures that the referee has no part in.

Digits are read by a classifier of this benchmark's own (the referee has the shipped one), vectors
and line patterns by their known modes and the sliced Wasserstein distance.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from benchmarks import common
from sparring.data import Dataset, open_data, to_network
from sparring.metrics.classifier import Classifier
from sparring.metrics.copies import nearest
from sparring.metrics.fid import distance
from sparring.metrics.modes import nearest_modes
from sparring.metrics.vectors import quantile_distance
from sparring.randomness import keyed
from sparring.recipe import Data

SAMPLES, FIRST_SEED = 1000, 10**6
EPOCHS, WIDTH = 12, 8
DIRECTIONS = 64
COPY_QUANTILE = 0.01  # a copy is nearer to a training image than all but so many unseen ones
FEW = 0.2  # of its even share: a class that is made less often is lost

Outcome = dict[str, Any]


@functools.cache
def reader() -> Classifier:
    """The classifier that reads digits; made once."""
    digits = open_data(Data(name="mnist5k"))
    train = digits.splits["train"]
    assert digits.labels is not None
    return common.cached_classifier(
        "referee-reader", digits.values[train], digits.labels[train], EPOCHS, WIDTH, augment=True
    )


def features(images: Tensor) -> Tensor:
    network = reader()  # which may have to be trained first
    with torch.inference_mode():
        parts = [network.features(to_network(part, common.CPU)) for part in images.split(500)]
        return torch.cat(parts).double()


@functools.cache
def real_digits() -> tuple[Tensor, Tensor]:
    """Features of held-out digits, and how near they are to all that may be trained on."""
    digits = open_data(Data(name="mnist5k"))
    unseen = torch.cat([digits.split("select"), digits.split("test")])
    return features(unseen), nearest([pixels(unseen)], [pixels(digits.split("train"))])[0]


def pixels(images: Tensor) -> Tensor:
    return images.flatten(1).float() / 255


def measure(samples: Tensor, asked: Tensor | None, data: Dataset) -> Outcome:
    """The figures of samples [N, ...] of a run that was to learn `data`.

    `asked` are the labels [N] that they were made for, where there are any.
    """
    if not samples.float().isfinite().all():
        return {"finite": False}
    found: Outcome = {"finite": True}
    if data.is_images and data.shape[-1] == 28:
        real, unseen = real_digits()
        fake = features(samples)
        found["distance"] = distance(real, fake)
        with torch.inference_mode():
            read = reader().head(fake.float()).argmax(1)
        shares = read.bincount(minlength=10).double() / len(read)
        found["covered"] = int((shares > FEW / 10).sum())
        found["of"] = 10
        (close,) = nearest([pixels(samples)], [pixels(data.split("train"))])
        found["copies"] = (close < unseen.quantile(COPY_QUANTILE)).double().mean().item()
        if asked is not None:
            found["agreement"] = (read == asked).double().mean().item()
        return found
    real = data.split("test").flatten(1).double()
    fake = samples.flatten(1).double()
    scale = real.std(0).mean()
    found["distance"] = float(sliced(real / scale, fake / scale))
    if data.modes is not None:
        index, good = nearest_modes(samples, data)
        counts = index[good].bincount(minlength=len(data.modes)).double()
        found["covered"] = int((counts > FEW * len(samples) / len(counts)).sum())
        found["of"] = len(counts)
        found["good"] = good.double().mean().item()
    return found


def sliced(real: Tensor, fake: Tensor) -> Tensor:
    """The Wasserstein distance, of vectors its mean over directions."""
    if real.shape[1] == 1:
        return quantile_distance(real, fake).mean()
    drawn = torch.randn(real.shape[1], DIRECTIONS, generator=keyed("referee benchmark")).double()
    drawn /= drawn.norm(dim=0)
    return quantile_distance(real @ drawn, fake @ drawn).mean()
