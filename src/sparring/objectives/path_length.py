"""Path length regularization of style generators (Karras et al., 2020)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

DECAY = 0.01  # of the mean, each move
SHRINK = 2  # the term looks at the first half of the batch, for memory, as published


class PathLength(nn.Module):
    """(|| J^T y || - a)² of each sample [n / 2], J = ∂ image / ∂ w and y noise: steps of w of one
    length should change images by one amount.

    y is N(0, 1) for each pixel, over the root of their number; the length is the root mean square
    over layers. `mean`, a, follows the lengths; samples are compared with the one before the move,
    so that micro-batches mean the same.
    """

    mean: Tensor
    before: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("before", torch.zeros(()), persistent=False)

    def forward(self, batch: Any) -> Tensor:
        part = batch.move.part
        lengths = path_lengths(batch.first(-(-(part.stop - part.start) // SHRINK)))
        if part.start == 0:  # a move begins
            # The first lengths begin the mean: one that began at 0 would pull them there, and all
            # samples together, for hundreds of moves, which a short run has not.
            self.before = torch.where(self.mean == 0, lengths.detach().mean(), self.mean)
            self.mean.copy_(self.before)
        share = (part.stop - part.start) / batch.move.batch_size
        self.mean += DECAY * share * (lengths.detach().mean() - self.before)
        return (lengths - self.before).square()


def path_lengths(batch: Any) -> Tensor:
    """|| J^T y || of each sample [n] of a batch, with a graph for the second backward pass."""
    images, styles = batch.fake, batch.styles
    noise = batch.normal("path-length", images.shape[1:]) / images[0, 0].numel() ** 0.5
    (slopes,) = torch.autograd.grad((images * noise).sum(), styles, create_graph=True)
    return slopes.square().sum(2).mean(1).sqrt()
