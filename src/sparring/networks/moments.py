"""A discriminator that looks at a batch through its statistical moments."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sparring import ranks
from sparring.networks.layers import ActivationName, InitName, initialize
from sparring.networks.mlp import Widths, hidden_layers
from sparring.recipe import Positive

TINY = 1e-12  # a variance: where all samples agree, the gradient of a plain root is infinite


def moments(x: Tensor) -> Tensor:
    """Mean, standard deviation, skewness and excess kurtosis over the batch: [N, F] to [4, F].

    None is corrected for the sample's size; all are 0 but the mean where the samples agree,
    except for the kurtosis, which is -3.
    """
    mean = x.mean(0)
    centred = x - mean
    std = (centred.square().mean(0) + TINY).sqrt()
    scores = centred / std
    return torch.stack([mean, std, scores.pow(3).mean(0), scores.pow(4).mean(0) - 3])


class MomentsDiscriminator(nn.Module):
    """Samples [N, *shape] to one logit [1] for the whole batch.

    A multilayer perceptron on the four moments of each feature, as in the 50-line GAN program that
    introductory courses cite: it can tell distributions apart only as far as these moments can.
    """

    couples_batch = True

    def __init__(
        self,
        shape: tuple[int, ...],
        width: Positive | Widths = [10, 10],  # noqa: B006 - read only
        activation: ActivationName = "leaky_relu",
        init: InitName = "default",
    ) -> None:
        super().__init__()
        widths = [width] if isinstance(width, int) else list(width)
        hidden = hidden_layers(4 * math.prod(shape), widths, activation, "none", dropout=0.0)
        self.layers = nn.Sequential(*hidden, nn.Linear(widths[-1], 1))
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(moments(ranks.whole(x.flatten(1))).flatten())
