"""Large images by tiles: the same as in one piece where that can be, and never a seam."""

import pytest
import torch
from torch import Tensor, nn

from sparring.games import apply
from sparring.networks.layers import seeded
from sparring.networks.translators import ResidualTranslator, UNetGenerator
from sparring.networks.upscaler import Upscaler

WHOLE = 10**9
SMALL, LARGE = (3, 28, 28), (3, 56, 56)


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    """A smooth picture in colour."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 9, 7, generator=draw) * 255
    smooth = nn.functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    return smooth[0].clamp(0, 255).to(torch.uint8)


def made(name: str, normalization: str) -> nn.Module:
    with seeded(1):
        if name == "upscaler":
            return Upscaler(SMALL, LARGE, 4, 1, normalization).eval()
        if name == "unet":
            return UNetGenerator(SMALL, SMALL, 4, 3, 0.5, normalization, "default").eval()
        return ResidualTranslator(SMALL, SMALL, 4, 1, 1, normalization, "default").eval()


@pytest.mark.parametrize("name", ["upscaler", "unet", "translator"])
def test_without_statistics_of_the_image_tiles_are_the_same_as_the_whole(name: str) -> None:
    network = made(name, "none")
    image = picture(211, 170)
    whole = apply(network, image, whole=WHOLE)
    tiled = apply(network, image, tile=96, whole=0)
    assert tiled.shape == whole.shape
    assert whole.float().std() > 2
    assert (tiled.int() - whole.int()).abs().max() <= 1  # a tie of rounding


class Flat(nn.Module):
    """One grey for the whole of what it sees, its mean: tiles that could not differ more."""

    reach = 4

    def __init__(self) -> None:
        super().__init__()
        self.none = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True).expand_as(x) + self.none


def test_tiles_that_differ_pass_into_each_other_without_a_seam() -> None:
    ramp = torch.linspace(0, 255, 300).to(torch.uint8).expand(3, 300, 300)
    tiled = apply(Flat(), ramp, tile=64, whole=0).float()
    middle = tiled[0, 150]
    assert middle[-1] - middle[0] > 150  # the tiles do differ
    # At a cut two greys would be some 30 apart; over a ramp of 32 pixels no step is seen.
    assert (tiled[..., 1:] - tiled[..., :-1]).abs().max() <= 3
    assert torch.equal(tiled[:, :1].expand_as(tiled), tiled)  # nothing from top to bottom


def test_instance_norm_by_tiles_has_no_seam() -> None:
    network, image = made("translator", "instance"), picture(230, 190, seed=3)
    jumps = [
        (x[..., 1:].float() - x[..., :-1].float()).abs().amax((0, 1))
        for x in (apply(network, image, whole=WHOLE), apply(network, image, tile=96, whole=0))
    ]
    assert jumps[1].max() <= 1.5 * jumps[0].max()


@pytest.mark.parametrize("name", ["upscaler", "unet", "translator"])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 40), (7, 13), (33, 8)])
def test_any_size_is_made(name: str, size: tuple[int, int]) -> None:
    for normalization in ("none", "instance", "batch"):
        network = made(name, normalization)
        scale = getattr(network, "scale", 1)
        found = apply(network, picture(*size))
        assert found.shape == (3, scale * size[0], scale * size[1])


def test_progress_ends_with_one_and_rows_are_bounded() -> None:
    told: list[float] = []
    sizes: list[int] = []

    class Watched(Flat):
        def forward(self, x: Tensor) -> Tensor:
            sizes.append(x[0, 0].numel())
            return super().forward(x)

    apply(Watched(), picture(40, 900), tile=64, whole=0, advance=told.append)
    assert told == sorted(told)
    assert told[-1] == 1
    assert max(sizes) <= 40 * 2 * 64
