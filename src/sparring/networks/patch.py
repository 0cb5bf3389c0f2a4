"""The discriminator of patches (Isola et al., 2017), which sees textures more than scenes."""

from __future__ import annotations

from torch import Tensor, nn

from sparring.errors import InputError
from sparring.networks.discriminator import Discriminator, PatchHead, normalize_spectrum
from sparring.networks.layers import InitName, PictureNormalization, initialize, normalization_2d
from sparring.recipe import Positive

MAX_FACTOR = 8


class PatchDiscriminator(Discriminator):
    """Images [N, C, H, W] of any size to logits [N, P], one for each of P overlapping patches.

    `layers` of them halve the size; with 3 a patch has 70 pixels a side as published, with 2 it has
    34, with 1 16. The first layer has `width` channels, each further one twice as many, up to eight
    times.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: Positive = 64,
        layers: Positive = 3,
        normalization: PictureNormalization = "instance",
        init: InitName = "normal",
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        if len(shape) != 3 or min(shape[1:]) < 3 * 2**layers:
            raise InputError(
                f"discriminator.layers={layers} leaves no patches of samples of {shape}",
                "lower discriminator.layers, or raise data.size",
            )
        made: list[nn.Module] = []
        before, after = shape[0], width
        for layer in range(layers + 1):
            stride = 2 if layer < layers else 1
            made.append(nn.Conv2d(before, after, 4, stride, 1))
            if layer:
                made += normalization_2d(normalization, after)
            made.append(nn.LeakyReLU(0.2, inplace=True))
            before, after = after, min(2 * after, MAX_FACTOR * width)
        self.layers = nn.Sequential(*made)
        self.head = PatchHead(before)
        initialize(self, init)
        if spectral_norm:
            normalize_spectrum(self)

    def features(self, x: Tensor, labels: Tensor | None) -> Tensor:
        return self.layers(x)
