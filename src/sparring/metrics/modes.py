"""How many of the known modes a generator covers, how evenly, and how many samples are good."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sparring.data import Dataset, Modes
from sparring.metrics.classifier import class_probabilities, shipped_classifier
from sparring.metrics.record import Comparison, Estimate, Provenance

ENOUGH = 10  # samples for each mode
CERTAIN = 0.9  # probability of the digit in each channel
SIDE = 28  # pixels that the classifier reads


def nearest_modes(samples: Tensor, dataset: Dataset) -> tuple[Tensor, Tensor]:
    """For each sample the index of the nearest mode, and whether it is near enough to be good.

    Of stacked digits it is the mode that the shipped classifier reads, and good is what it is
    certain of in every channel.
    """
    known = dataset.modes
    assert known is not None
    if known.are_digits:
        return _read(samples, known)
    flat, centers = samples.float().flatten(1), known.centers.float().flatten(1)
    if dataset.is_images:
        distances = torch.cdist(flat, centers, p=1) / flat.shape[1]
    else:
        distances = torch.cdist(flat, centers)
    nearest, index = distances.min(1)
    return index, nearest <= known.radius


def _read(images: Tensor, known: Modes) -> tuple[Tensor, Tensor]:
    """The number that the digits of uint8 images [N, C, H, W] make, the first channel leading."""
    digits = known.centers.shape[1]
    x = images[:, :digits].flatten(0, 1)[:, None]
    if x.shape[-1] != SIDE:
        x = interpolate(x.float(), (SIDE, SIDE), mode="bilinear", antialias=True)
        x = x.round().to(torch.uint8)
    certainty, digit = class_probabilities(shipped_classifier(), x).view(-1, digits, 10).max(2)
    places = 10 ** torch.arange(digits - 1, -1, -1)
    return (digit * places).sum(1), (certainty >= CERTAIN).all(1)


def modes(comparison: Comparison) -> Estimate:
    """The number of modes with a good sample; of stacked digits with any, as is usual there.

    In the flags, and as numbers in `more`: the share of good samples, and KL(found ‖ even) of how
    often each mode was found, in nats: 0 where all are equally frequent.
    """
    dataset = comparison.dataset
    assert dataset is not None
    assert dataset.modes is not None
    index, good = nearest_modes(comparison.samples_fake, dataset)
    by_classifier = dataset.modes.are_digits
    counts = (index if by_classifier else index[good]).bincount(minlength=len(dataset.modes))
    covered, total = int((counts > 0).sum()), len(dataset.modes)
    share, divergence = good.float().mean().item(), kl_to_even(counts)
    near = "certain in every channel" if by_classifier else "near one"
    flags = [
        f"{covered} of {total} modes, {share:.1%} of samples {near}",
        f"KL to even modes {divergence:.4g} nats of log {total} = {math.log(total):.3g}",
    ]
    if len(index) < ENOUGH * total:
        expected = total * (1 - (1 - 1 / total) ** len(index))
        flags.append(
            f"only {len(index)} samples for {total} modes: a perfect generator would cover "
            f"{expected:.0f}"
        )
    read = Provenance("classifier", "the digit of each channel", f"to {SIDE}x{SIDE}")
    more = {"good_share": share, "kl": divergence}
    return Estimate(covered, None, flags, more, read if by_classifier else None)


def kl_to_even(counts: Tensor) -> float:
    """KL(p ‖ uniform) in nats of counts [K]; infinite where nothing was counted."""
    p = counts.double() / counts.sum()
    return math.log(len(counts)) + torch.xlogy(p, p).sum().item() if counts.sum() else math.inf
