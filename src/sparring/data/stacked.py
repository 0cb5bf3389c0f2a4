"""Stacked MNIST: digits as colour channels, so that there are many modes and all are known."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.data.dataset import Dataset, Modes
from sparring.data.npz import mnist5k
from sparring.randomness import keyed

TRAIN, HELD_OUT = 25_600, 5_000


def stacked_mnist(digits: int = 3) -> Dataset:
    """Two or three bundled digits as the channels of an image: 100 or 1,000 modes.

    After Metz et al. (2017) and Srivastava et al. (2017), whose 25,600 samples to be scored are
    the number of training images here; which digits are stacked is drawn once and for all. With
    two digits the third channel is black. Held-out images are made of held-out digits.
    """
    source = mnist5k()
    assert source.labels is not None
    counts = {"train": TRAIN, "select": HELD_OUT, "test": HELD_OUT}
    values = torch.zeros(sum(counts.values()), 3, *source.shape[1:], dtype=torch.uint8)
    labels = torch.zeros(len(values), dtype=torch.long)
    splits, start = {}, 0
    for name, count in counts.items():
        own = source.splits[name]
        drawn = torch.randint(
            len(own), (count, digits), generator=keyed("stacked-mnist", name, digits)
        )
        chosen = own[drawn]
        splits[name] = torch.arange(start, start + count)
        values[start : start + count, :digits] = source.values[chosen][:, :, 0]
        labels[start : start + count] = _number(source.labels[chosen])
        start += count
    table = torch.cartesian_prod(*[torch.arange(10)] * digits)
    return Dataset(
        "stacked-mnist",
        values,
        splits,
        labels=labels,
        classes=tuple("-".join(map(str, row)) for row in table.tolist()),
        modes=Modes(table, radius=0.0, are_digits=True),
        description=f"{digits} handwritten digits of MNIST as channels, 28x28 in colour",
        licence=source.licence,
    )


def _number(digits: Tensor) -> Tensor:
    """Digits [N, K] as whole numbers [N], the first digit leading."""
    return (digits * 10 ** torch.arange(digits.shape[1] - 1, -1, -1)).sum(1)
