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

    An image of more than `whole` pixels is made by overlapping tiles of `tile` pixels a side or a
    little more. A tile counts for nothing as near to a cut as its `reach`, and passes into the next
    in straight lines from there on: a network without statistics over the whole image makes the
    same of it as in one piece, and one with such (instance normalization) shows no seam. Floats are
    kept of one row of tiles only. `advance` is told the share that is done.
    """
    height, width = image.shape[1:]
    if height * width <= whole:
        made = to_samples(_run(generator, image), images=True)[0]
        advance(1.0)
        return made
    overlap, step, reach = _layout(generator, tile)
    rows, columns = (list(_starts(side, step + overlap, step)) for side in (height, width))
    out = carried = torch.empty(0)
    for number, (top, left) in enumerate((y, x) for y in rows for x in columns):
        part = image[:, top : top + step + overlap, left : left + step + overlap]
        made = _run(generator, part)[0].float().cpu()
        scale = made.shape[1] // part.shape[1]
        if number == 0:
            out = torch.empty(len(made), scale * height, scale * width, dtype=torch.uint8)
        if left == 0:
            # A row begins with what the one above has left in their overlap.
            band = torch.zeros(len(made), made.shape[1], scale * width)
            if top:
                band[:, : carried.shape[1]] += carried
        weight = _weight(top, part.shape[1], height, reach, overlap, scale)[:, None]
        weight = weight * _weight(left, part.shape[2], width, reach, overlap, scale)
        band[:, :, scale * left : scale * left + made.shape[2]] += made * weight
        if left == columns[-1]:
            done = band.shape[1] if top == rows[-1] else scale * step
            out[:, scale * top : scale * top + done] = to_samples(band[:, :done], images=True)
            carried = band[:, done:]
        advance((number + 1) / (len(rows) * len(columns)))
    return out


def _layout(generator: nn.Module, tile: int) -> tuple[int, int, int]:
    """How far tiles overlap, where the next begins, how near to a cut they count for nothing.

    Tiles begin where the network's own grid of halved maps does, so that they fit each other; no
    more than two overlap along a side.
    """
    multiple = int(getattr(generator, "multiple", 1))
    reach = min(int(getattr(generator, "reach", REACH)), tile // 4)
    overlap = 2 * reach + RAMP
    return overlap, -(-max(tile - overlap, overlap) // multiple) * multiple, reach


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

    Not at all within `reach` of a cut, fully from where the next tile counts for nothing, straight
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
