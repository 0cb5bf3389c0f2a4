"""What the network families share: keyed dropout, normalization, activations, initialization."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from sparring.errors import InputError

ActivationName = Literal["relu", "leaky_relu", "tanh", "sigmoid", "silu"]
NormalizationName = Literal["none", "batch", "layer"]
PictureNormalization = Literal["none", "batch", "instance"]  # of networks from images to images
InitName = Literal["normal", "xavier", "he", "orthogonal", "default"]

# Draws int16 noise of a shape for one layer; its first dimension is the batch.
NoiseSource = Callable[[torch.Size], Tensor]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(0.2, inplace=True),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
}


class Noisy(nn.Module):
    """A layer that draws noise in training, from the move's key, so that runs resume exactly.

    Outside training by this package the noise comes from PyTorch's global generator.
    """

    noise: NoiseSource | None = None

    def words(self, shape: torch.Size, device: torch.device) -> Tensor:
        """Uniform int16 of a shape, batch first."""
        if self.noise is None:
            return torch.randint(-32768, 32768, shape, dtype=torch.int16, device=device)
        return self.noise(shape).to(device, non_blocking=True)

    def uniform(self, shape: torch.Size, device: torch.device) -> Tensor:
        """Draws from U(0, 1), in steps of 2^-16."""
        return (self.words(shape, device).float() + 32768.5) / 65536

    def normal(self, shape: torch.Size, device: torch.device) -> Tensor:
        """Draws from N(0, 1), of 2^16 values up to 4.2."""
        return (2 * self.uniform(shape, device) - 1).erfinv() * math.sqrt(2)


class Dropout(Noisy):
    """Dropout whose noise comes from the move's key, so that runs resume exactly.

    PyTorch's own takes no generator. The rate is exact to 2^-16; outside training by this package
    the noise comes from PyTorch's global generator. Shapes: any, batch first.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"dropout rate {rate} is not in [0, 1)")
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        if self.noise is None:
            return nn.functional.dropout(x, self.rate)
        dropped = round(self.rate * 65536)
        keep = self.noise(x.shape).to(x.device) >= dropped - 32768
        return x * keep * (65536 / (65536 - dropped))

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


def noisy_layers(network: nn.Module) -> list[tuple[str, Noisy]]:
    """The layers of a network that draw noise in training, by name."""
    return [(name, layer) for name, layer in network.named_modules() if isinstance(layer, Noisy)]


def keyed_noise(draw: torch.Generator, batch_size: int, part: slice, views: int = 1) -> NoiseSource:
    """Noise for `part` of a batch of `batch_size`, equal to that part of the whole batch's noise.

    A forward pass over real and fake samples at once has two `views` of the batch, one after the
    other. Each call draws anew from `draw`.
    """

    def noise(shape: torch.Size) -> Tensor:
        per_sample = math.prod(shape[1:])
        words = -(-views * batch_size * per_sample // 4)  # four int16 from each int64
        bits = torch.empty(words, dtype=torch.int64).random_(-(2**63), None, generator=draw)
        whole = bits.view(torch.int16)[: views * batch_size * per_sample]
        if part == slice(0, batch_size):
            return whole.view(shape)
        return whole.view(views, batch_size, *shape[1:])[:, part].reshape(shape)

    return noise


def uses_batch_statistics(network: nn.Module) -> bool:
    """Whether what the network says of a sample depends on the others in its batch."""
    return any(map(couples, network.modules()))


def couples(layer: nn.Module) -> bool:
    """Whether a layer by itself lets the samples of a batch see each other."""
    batch_norm = isinstance(layer, nn.modules.batchnorm._BatchNorm)
    return batch_norm or bool(getattr(layer, "couples_batch", False))


def normalization_1d(name: NormalizationName, width: int) -> list[nn.Module]:
    """The normalization layer for [N, width], as a list of none or one."""
    if name == "none":
        return []
    return [nn.BatchNorm1d(width) if name == "batch" else nn.LayerNorm(width)]


def given(labels: Tensor | None) -> Tensor:
    """The labels that a conditional network cannot do without; InputError if there are none."""
    if labels is None:
        raise InputError(
            "a conditional network needs labels [N] beside its input",
            "call it as network(z, labels), labels being whole numbers from 0 on",
        )
    return labels


class ConditionalBatchNorm2d(nn.Module):
    """Batch normalization with a gain and a bias for each class (Dumoulin et al., 2017)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.normalize = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Parameter(torch.ones(classes, channels))
        self.bias = nn.Parameter(torch.zeros(classes, channels))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Maps [N, C, H, W] and labels [N] to maps of the same shape."""
        x = self.normalize(x)
        gain, bias = (
            nn.functional.embedding(labels, each).to(x.dtype)[..., None, None]
            for each in (self.gain, self.bias)
        )
        return torch.addcmul(bias, x, gain)


def normalization_2d(
    name: NormalizationName | PictureNormalization, channels: int, classes: int = 0
) -> list[nn.Module]:
    """The normalization layer for [N, channels, H, W], as a list of none or one.

    With classes, gain and bias depend on the label; only batch normalization has that form.
    """
    if classes:
        if name != "batch":
            raise InputError(
                f"generator.normalization={name} has no gain and bias for each class",
                "set generator.normalization=batch, or generator.condition=embedding",
            )
        return [ConditionalBatchNorm2d(channels, classes)]
    if name == "none":
        return []
    if name == "instance":  # each channel of each image by itself (Ulyanov et al., 2016)
        return [nn.InstanceNorm2d(channels, affine=True)]
    # One group over all channels and pixels is layer normalization for images.
    return [nn.BatchNorm2d(channels) if name == "batch" else nn.GroupNorm(1, channels)]


@torch.no_grad()
def initialize(network: nn.Module, scheme: InitName) -> None:
    """Draw the weights: `normal` = N(0, 0.02) and N(1, 0.02) for BatchNorm (Radford et al., 2016).

    `orthogonal` is scaled by 0.8 (Metz et al., 2017). Biases keep PyTorch's default; `default`
    leaves everything as PyTorch made it.
    """
    if scheme == "default":
        return
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            if scheme == "normal":
                nn.init.normal_(layer.weight, 0.0, 0.02)
            elif scheme == "xavier":
                nn.init.xavier_normal_(layer.weight)
            elif scheme == "orthogonal":
                nn.init.orthogonal_(layer.weight, 0.8)
            else:
                nn.init.kaiming_normal_(layer.weight, a=0.2)
        elif (
            isinstance(layer, nn.BatchNorm2d | nn.InstanceNorm2d)
            and layer.affine
            and scheme == "normal"
        ):
            nn.init.normal_(layer.weight, 1.0, 0.02)


def padded(x: Tensor, multiple: int) -> Tensor:
    """Images [N, C, H, W] mirrored on at the right and bottom until `multiple` divides both sides.

    What an image is too small to mirror repeats its border.
    """
    down, right = (-side % multiple for side in x.shape[2:])
    if not down and not right:
        return x
    mirrors = down < x.shape[2] and right < x.shape[3]
    return nn.functional.pad(x, (0, right, 0, down), mode="reflect" if mirrors else "replicate")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """PyTorch's global generator at `seed` inside, untouched outside: for constructors."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def at_rest(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside: no dropout, no statistics of the batch, nothing that is updated."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
