"""A generator from images to images on one image of any size, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from sparring.data import to_network, to_samples

TILE = 512  # pixels a side of a part of a large image
WHOLE = 2 * TILE**2  # pixels up to which an image is not cut up
REACH = 32  # pixels that matter around one, where a network does not say
RAMP = 32  # pixels over which one tile passes into the next


@torch.inference_mode()
def apply(
    generator: nn.Module,
    image: Tensor,
    tile: int = TILE,
    whole: int = WHOLE,
    advance: Callable[[float], None] = lambda share: None,
) -> Tensor:
    """What the generator makes of uint8 [C, H, W]: uint8 [C', k H, k W].

    An image of more than `whole` pixels is made by tiles of `tile` pixels a side that overlap. Each
    counts for nothing as near to a cut as its `reach`, and passes into the next in straight lines
    from there on: a network without statistics over the whole image makes the same of it as in one
    piece, and one with such (instance normalization) shows no seam. `advance` is told the share
    that is done.
    """
    height, width = image.shape[1:]
    if height * width <= whole:
        made = to_samples(_run(generator, image), images=True)[0]
        advance(1.0)
        return made
    multiple = int(getattr(generator, "multiple", 1))
    reach = int(getattr(generator, "reach", REACH))
    # Tiles begin where the network's own grid of halved maps does, so that they fit each other.
    step = max((tile - 2 * reach - RAMP) // multiple, 1) * multiple
    overlap = max(tile - step, RAMP)
    tile, reach = step + overlap, min(reach, (overlap - RAMP) // 2)
    rows, columns = (list(_starts(side, tile, step)) for side in (height, width))
    summed = weights = None
    for number, (top, left) in enumerate((y, x) for y in rows for x in columns):
        part = image[:, top : top + tile, left : left + tile]
        made = _run(generator, part)[0].float().cpu()
        scale = made.shape[1] // part.shape[1]
        if summed is None or weights is None:
            summed = torch.zeros(len(made), scale * height, scale * width)
            weights = torch.zeros(1, scale * height, scale * width)
        weight = _weight(top, part.shape[1], height, reach, overlap, scale)[:, None]
        weight = weight * _weight(left, part.shape[2], width, reach, overlap, scale)
        down = slice(scale * top, scale * top + made.shape[1])
        across = slice(scale * left, scale * left + made.shape[2])
        summed[:, down, across] += made * weight
        weights[:, down, across] += weight
        advance((number + 1) / (len(rows) * len(columns)))
    assert summed is not None
    assert weights is not None
    return to_samples(summed / weights, images=True)


def _run(generator: nn.Module, image: Tensor) -> Tensor:
    parameter = next(generator.parameters())
    made: Tensor = generator(to_network(image[None], parameter.device, parameter.dtype))
    return made


def _starts(side: int, tile: int, step: int) -> Iterator[int]:
    """Where tiles begin; the last one ends with the image."""
    start = 0
    yield start
    while start + tile < side:
        start += step
        yield start


def _weight(start: int, length: int, side: int, reach: int, overlap: int, scale: int) -> Tensor:
    """How much each output pixel of a tile counts, along one side.

    Not at all within `reach` of a cut, fully from where the next tile's counts for nothing, straight
    between; fully at the border of the image. Those of two tiles sum to 1.
    """
    place = (torch.arange(scale * length) + 0.5) / scale
    rise = overlap - 2 * reach
    weight = torch.ones(scale * length)
    if start > 0:
        weight = weight.minimum((place - reach) / rise)
    if start + length < side:
        weight = weight.minimum((length - place - reach) / rise)
    return weight.clamp(0, 1)
