"""The space that samples are compared in, and what real samples are like there, found once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sparring.data import Dataset
from sparring.metrics.copies import nearest
from sparring.metrics.features import find_extractor
from sparring.metrics.modes import nearest_modes
from sparring.metrics.random_features import random_features
from sparring.referee import measures

REAL = 512  # held-out samples at most
MOST_MODES = 64  # to count one by one
REGIONS = 8  # that samples of no known mode are counted in
SIDE = 16  # pixels a side in which copies are sought
MOST_TRAINING = 20_000  # images among which copies are sought
COPY_QUANTILE = 0.01  # a copy is nearer to a training image than all but so many unseen ones


class Space:
    """Held-out real samples in a space of features, and others compared with them.

    Digits: the features and classes of the shipped classifier; other images: a random network;
    vectors: themselves, standardized.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        held_out = dataset.splits["select"]
        self.rows = held_out[torch.linspace(0, len(held_out) - 1, min(REAL, len(held_out))).long()]
        self.samples = dataset.rows(self.rows)
        self.digits = dataset.shape == (1, 28, 28)
        self._made_of(self.samples)

    def _made_of(self, real: Tensor) -> None:
        """Take these real samples as the ones to compare with."""
        flat = self._vectors(real)
        self.mean, self.std = flat.mean(0), flat.std(0)
        self.real = self.features(real)
        self.spread = max(measures.spread(self.real), 1e-9)
        self.pixel_spread = max(measures.spread(flat), 1e-9)
        self.bins = self._bins()
        self.shares = self._shares_of(real, self.real)

    def grown_to(self, real: Tensor) -> None:
        """Compare with these from now on: the same samples in the detail of a growing network."""
        self._made_of(real)

    def _vectors(self, samples: Tensor) -> Tensor:
        return samples.flatten(1).float() / (255 if self.dataset.is_images else 1)

    @cached_property
    def _extract(self) -> Callable[[Tensor], Tensor]:
        if not self.dataset.is_images:
            return lambda samples: (samples.flatten(1) - self.mean) / self.std.clamp(min=1e-6)
        if self.digits:
            return find_extractor("classifier", self.dataset).function
        return random_features(self.dataset.shape).function

    @torch.inference_mode()
    def features(self, samples: Tensor) -> Tensor:
        """Features [N, F] in float32."""
        return self._extract(samples).float().clone()

    def distance(self, features: Tensor, own_spread: float) -> float:
        """The energy distance to held-out samples over their spread."""
        between = torch.cdist(features, self.real)
        return measures.energy(between, own_spread, self.spread) / self.spread

    def _bins(self) -> Callable[[Tensor, Tensor], Tensor]:
        """What gives the class, mode or region of samples with their features, and their number."""
        known = self.dataset.modes
        if known is not None and not known.are_digits and len(known) <= MOST_MODES:
            self.number = len(known)
            return lambda samples, features: nearest_modes(samples, self.dataset)[0]
        if self.digits:
            classify = find_extractor("classifier", self.dataset).classify
            assert classify is not None
            self.number = 10
            return lambda samples, features: classify(features).argmax(1)
        self.number = min(REGIONS, len(self.real))
        centres = measures.regions(self.real, self.number)
        return lambda samples, features: torch.cdist(features, centres).argmin(1)

    @torch.inference_mode()
    def _shares_of(self, samples: Tensor, features: Tensor) -> Tensor:
        counts = self.bins(samples, features).bincount(minlength=self.number)
        return counts.float() / len(samples)

    def histogram(self, samples: Tensor, features: Tensor) -> tuple[list[float], float]:
        """Shares by class, mode or region, and their entropy over that of real samples."""
        shares = self._shares_of(samples, features)
        of_real = measures.entropy(self.shares)
        return shares.tolist(), measures.entropy(shares) / of_real if of_real else 1.0

    def moments(self, samples: Tensor) -> tuple[float, float, float]:
        """The gap of the means, the deviation over the real one, and the spread likewise."""
        flat = self._vectors(samples)
        deviation = self.std.square().mean().sqrt().clamp(min=1e-9)
        gap = (flat.mean(0) - self.mean).square().mean().sqrt() / deviation
        scale = flat.var(0).mean().sqrt() / deviation
        return float(gap), float(scale), measures.spread(flat) / self.pixel_spread

    def limits(self, values: Tensor) -> tuple[float, float]:
        return float(values.min()), float(values.max())

    @cached_property
    def _training(self) -> tuple[Tensor, Tensor]:
        """Small training images, and how near to them almost all unseen ones are not."""
        train = self.dataset.splits["train"]
        rows = train[torch.linspace(0, len(train) - 1, min(MOST_TRAINING, len(train))).long()]
        small = torch.cat([self._small(part) for part in self.dataset.parts(rows, 1000)])
        (unseen,) = nearest([self._small(self.samples[:256])], [small])
        return small, unseen.quantile(COPY_QUANTILE)

    def _small(self, images: Tensor) -> Tensor:
        x = images.float() / 255
        if x.shape[-1] > SIDE:
            side = x.shape[-1] // 2 if x.shape[-1] < 2 * SIDE else SIDE
            x = interpolate(x, size=(side, side), mode="area")
        return x.flatten(1)

    def copies(self, images: Tensor) -> float:
        """The share nearer to a training image than almost all unseen real ones are."""
        training, bound = self._training
        (distances,) = nearest([self._small(images)], [training])
        return float((distances < bound).float().mean())

    @cached_property
    def labels(self) -> Tensor | None:
        return None if self.dataset.labels is None else self.dataset.labels[self.rows]

    @cached_property
    def agreement_of_real(self) -> float:
        """How often the neighbours of a real sample have its label."""
        assert self.labels is not None
        voted = measures.voted(self.real, self.real, self.labels, itself=True)
        return float((voted == self.labels).float().mean())

    def agreement(self, features: Tensor, asked: Tensor) -> float:
        """How often the real neighbours of a sample have the label that was asked for."""
        assert self.labels is not None
        voted = measures.voted(features, self.real, self.labels, itself=False)
        return float((voted == asked).float().mean())

    def figures(self, samples: Tensor, features: Tensor) -> dict[str, Any]:
        """What is known of what a generator makes."""
        own = measures.spread(features)
        gap, scale, pixels = self.moments(samples)
        return {
            "distance": self.distance(features, own),
            "diversity": own / self.spread,
            "mean_gap": gap,
            "scale": scale,
            "spread": pixels,
        }
