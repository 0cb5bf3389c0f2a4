"""What every discriminator of ours shares: what it says, the head that says it, packing."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from sparring.errors import InputError
from sparring.networks.layers import given
from sparring.networks.minibatch import MinibatchName, minibatch_layer

JudgeCondition = Literal["none", "embedding", "projection", "auxiliary"]


class Judgement(NamedTuple):
    """What a discriminator says of a batch, in fp32.

    logits [N] (fewer where samples are judged in packs, [N, P] where each has P patches), the
    features [N, F] before its head, and class logits [N, K] where it has an auxiliary classifier.
    """

    logits: Tensor
    features: Tensor | None = None
    class_logits: Tensor | None = None


class Head(nn.Module):
    """Features [N, F] to a judgement: one linear layer, and what the condition adds to it.

    With `minibatch` it also sees how alike the samples of the batch are.
    `projection` adds the inner product of the features with an embedding of the label (Miyato and
    Koyama, 2018), `auxiliary` class logits beside the logit (Odena et al., 2017).
    """

    def __init__(
        self,
        inputs: int,
        classes: int = 0,
        condition: JudgeCondition = "none",
        bias: bool = True,
        minibatch: MinibatchName = "none",
    ) -> None:
        super().__init__()
        self.minibatch = None if minibatch == "none" else minibatch_layer(minibatch, inputs)
        inputs += self.minibatch.added if self.minibatch else 0
        self.logit: nn.Module = nn.Linear(inputs, 1, bias=bias)
        self.embedding: nn.Module | None = None
        if condition == "projection":
            self.embedding = nn.Embedding(classes, inputs)
            nn.init.xavier_uniform_(self.embedding.weight)  # PyTorch's N(0, 1) drowns the rest
        self.classify = nn.Linear(inputs, classes) if condition == "auxiliary" else None

    def forward(self, features: Tensor, labels: Tensor | None = None) -> Judgement:
        seen = features if self.minibatch is None else self.minibatch(features)
        logits = self.logit(seen).squeeze(1)
        if self.embedding is not None:
            logits = logits + (self.embedding(given(labels)) * seen).sum(1)
        classes = None if self.classify is None else self.classify(seen)
        return Judgement(logits, features, classes)


class PatchHead(nn.Module):
    """Maps [N, C, H, W] to a logit for each of their places, which sees a patch of the image."""

    classify: None = None

    def __init__(self, inputs: int, kernel: int = 4) -> None:
        super().__init__()
        self.logit = nn.Conv2d(inputs, 1, kernel, padding=1)

    def forward(self, features: Tensor, labels: Tensor | None = None) -> Judgement:
        return Judgement(self.logit(features).flatten(1), features.flatten(1))


class Discriminator(nn.Module):
    """Samples [N, *shape], with labels [N] where it has `classes`, to logits [N].

    A network has `features` and a `head`. Samples are judged in packs of `packing` as one, with
    their channels side by side: then there are [N / packing] logits (PacGAN, Lin et al., 2018).
    """

    head: Head | PatchHead
    classes: int = 0
    packing: int = 1

    @property
    def couples_batch(self) -> bool:
        """Whether a logit is that of several samples."""
        return self.packing > 1

    def features(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """What the head sees of packed samples: [N, F], or maps for a head of patches."""
        raise NotImplementedError

    def forward(
        self, x: Tensor, labels: Tensor | None = None, whole: bool = False
    ) -> Tensor | Judgement:
        """Logits, or with `whole` all there is to say."""
        if self.packing > 1:
            x = packs(x, self.packing)
        said: Judgement = self.head(self.features(x, labels), labels)
        return said if whole else said.logits


def packs(x: Tensor, size: int) -> Tensor:
    """Samples [N, C, ...] as packs [N / size, size * C, ...]."""
    if len(x) % size:
        raise InputError(
            f"{len(x)} samples cannot be judged in packs of {size}",
            f"choose batch_size and micro_batch divisible by {size}, or discriminator.packing=1",
        )
    return x.reshape(len(x) // size, size * x.shape[1], *x.shape[2:])


def packed_shape(shape: tuple[int, ...], size: int, classes: int) -> tuple[int, ...]:
    """The shape of a pack; InputError for packs of labelled samples, which have no one label."""
    if size > 1 and classes:
        raise InputError(
            "packs of samples have no one label",
            "set discriminator.packing=1, or discriminator.condition=none",
        )
    return (size * shape[0], *shape[1:])


def judged(network: nn.Module, x: Tensor, labels: Tensor | None = None) -> Tensor:
    """The logits [N] of samples, with their labels where the network takes any."""
    logits: Tensor = network(x, labels) if takes_labels(network) else network(x)
    return logits


def takes_labels(network: nn.Module) -> bool:
    """Whether a network is conditional: called with labels beside its input."""
    return bool(getattr(network, "classes", 0))


def normalize_spectrum(network: nn.Module) -> None:
    """Divide the weights of all linear, convolution and embedding layers by their largest singular
    value (Miyato et al., 2018)."""
    for layer in list(network.modules()):
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.Embedding):
            spectral_norm(layer)


def spectral_norms(network: nn.Module) -> list[nn.Module]:
    """The parametrizations that iterate towards a singular value in each forward pass."""
    kind = torch.nn.utils.parametrizations._SpectralNorm
    return [module for module in network.modules() if isinstance(module, kind)]
