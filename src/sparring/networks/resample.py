"""Resampling by two through the binomial filter [1, 3, 3, 1], in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

TAPS = (1.0, 3.0, 3.0, 1.0)


class Filter(nn.Module):
    """The filter over each channel of maps [N, C, H, W], which are 0 beyond their edges.

    `padding` pixels are added to each side: the result has H + 2 padding - 3. `gain` is the sum of
    its taps (Karras et al., 2020, after Zhang, 2019).
    """

    kernel: Tensor

    def __init__(self, padding: int, gain: float = 1.0) -> None:
        super().__init__()
        self.padding = padding
        taps = torch.tensor(TAPS)
        square = taps.outer(taps)
        self.register_buffer("kernel", gain * square / square.sum(), persistent=False)

    def weight(self, x: Tensor) -> Tensor:
        return self.kernel.to(x.dtype).expand(x.shape[1], 1, -1, -1)

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight(x), padding=self.padding, groups=x.shape[1])


class Halved(Filter):
    """Maps [N, C, H, W] to [N, C, H / 2, W / 2], rounded down."""

    def __init__(self) -> None:
        super().__init__(padding=1)

    def forward(self, x: Tensor) -> Tensor:
        # Filtering all and keeping a quarter: strided kernels of one channel are slow in bf16.
        height, width = x.shape[2] // 2 * 2 - 1, x.shape[3] // 2 * 2 - 1
        return super().forward(x)[:, :, :height:2, :width:2]


class Doubled(Filter):
    """Maps [N, C, H, W] to [N, C, 2 H, 2 W]: zeros between the pixels, then the filter."""

    def __init__(self) -> None:
        super().__init__(padding=1, gain=4.0)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight(x)
        return conv_transpose2d(x, weight, stride=2, padding=self.padding, groups=x.shape[1])
