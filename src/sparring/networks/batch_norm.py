"""Batch normalization whose batch may be shared by several processes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparring import ranks


class _Normalize(torch.autograd.Function):
    """x [N, C, ...] normalized with the mean and variance [C] of all processes, which it returns.

    PyTorch's kernels do each pass over x; one message forward, one back. The gradient of a
    gradient is that of the plain operations.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        # Kept in full precision beside an x of less, as the running statistics are.
        unused = x.new_zeros(2, x.shape[1], dtype=_exact(x))
        local = torch.batch_norm_update_stats(x, unused[0], unused[1], 0.0)
        mean, variance = _united(torch.stack(local))
        y = functional.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)
        ctx.save_for_backward(x, weight, bias, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        dy = gradients[0]
        x, weight, bias, mean, variance = ctx.saved_tensors
        given = [one for one in (x, weight, bias) if one is not None]
        if torch.is_grad_enabled():  # to be differentiated again
            y = _plain(x, weight, bias, ctx.eps)
            found = torch.autograd.grad(y, given, dy, create_graph=True)
        else:
            found = _gradients(dy, x, weight, mean, variance, ctx.eps)[: len(given)]
        return *found, *[None] * (4 - len(found))


def _gradients(
    dy: Tensor, x: Tensor, weight: Tensor | None, mean: Tensor, variance: Tensor, eps: float
) -> tuple[Tensor, ...]:
    """Those of x, whatever process looks at it, and this process's part of those of the weights."""
    # As if the statistics were fixed; what x changes in them is taken off then.
    dx, dweight, dbias = torch.ops.aten.native_batch_norm_backward(
        dy, x, weight, mean, variance, None, None, False, eps, [True, True, True]
    )
    slope, level = ranks.mean(torch.stack([dweight, dbias])) / (x.numel() // x.shape[1])
    gain = (variance + eps).rsqrt() if weight is None else (variance + eps).rsqrt() * weight
    dx -= functional.batch_norm(x, mean, variance, slope * gain, level * gain, eps=eps)
    return dx, dweight, dbias


def _plain(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """The same in operations that can be differentiated as often as one likes."""
    exact = x.to(_exact(x))
    places = [0, *range(2, x.dim())]
    mean, variance = _united(torch.stack([exact.mean(places), exact.var(places, correction=0)]))
    scale = (variance + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    shape = (1, -1, *(1,) * (x.dim() - 2))
    return (exact * scale.view(shape) + shift.view(shape)).to(x.dtype)


def _united(local: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance [C] of everything, of those of each process's equal share [2, C]."""
    if ranks.count() == 1:
        return local[0], local[1]
    mean, variance = local.double().unbind()
    # In float64 the mean square may stand for the variance, and one short message is enough.
    mean, square = ranks.mean(torch.stack([mean, variance + mean * mean])).unbind()
    return mean.to(local.dtype), (square - mean * mean).to(local.dtype)


def _exact(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


class _Shared(nn.modules.batchnorm._BatchNorm):
    """PyTorch's layer; where processes train together, with the statistics of the whole batch.

    PyTorch's SyncBatchNorm needs GPUs, and has no second derivative.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and ranks.normalize_together()):
            return super().forward(x)
        self._check_input_dim(x)
        y, mean, variance = _Normalize.apply(x, self.weight, self.bias, self.eps)
        self._follow(mean, variance, x.numel() // x.shape[1] * ranks.count())
        return y

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
