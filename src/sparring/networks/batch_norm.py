"""Batch normalization whose batch may be shared by several processes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparring import ranks


class _Shared(nn.modules.batchnorm._BatchNorm):
    """PyTorch's layer; where processes train together, with the statistics of the whole batch.

    PyTorch's SyncBatchNorm needs GPUs, and has no second derivative.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and ranks.normalize_together()):
            return super().forward(x)
        self._check_input_dim(x)
        exact = x if x.dtype == torch.float64 else x.float()
        places = [0, *range(2, x.dim())]
        middle, spread = exact.mean(places), exact.var(places, correction=0)
        by_rank = ranks.whole(torch.stack([middle, spread])[None])
        middles, spreads = by_rank.unbind(1)
        mean = middles.mean(0)
        # The law of total variance: within processes, and between them.
        variance = spreads.mean(0) + (middles - mean).square().mean(0)
        self._follow(mean.detach(), variance.detach(), x.numel() // x.shape[1] * ranks.count())
        shape = (1, -1, *(1,) * (x.dim() - 2))
        scale = (variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        return (exact * scale.view(shape) + shift.view(shape)).to(x.dtype)

    def _follow(self, mean: Tensor, variance: Tensor, size: int) -> None:
        """The running statistics, of which the variance is unbiased."""
        if self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        assert self.momentum is not None
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        unbiased = variance * size / max(size - 1, 1)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)


class BatchNorm1d(_Shared, nn.BatchNorm1d):
    """Of [N, C]."""


class BatchNorm2d(_Shared, nn.BatchNorm2d):
    """Of [N, C, H, W]."""
