"""Projection: the styles with which a style generator reproduces images."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import ImageColor
from torch import Tensor

from sparring.data import to_network
from sparring.data.decode import LEFT_OUT, Plan, Rejected, decode, quiet
from sparring.errors import InputError
from sparring.games import mapped, rendered, style_generator
from sparring.metrics.classifier import shipped_classifier
from sparring.metrics.random_features import random_features
from sparring.metrics.waiting import waiting
from sparring.model import Model
from sparring.networks.styles import StyleGenerator
from sparring.randomness import keyed

STARTS = 512  # samples, of which the nearest one is the start
STEPS = 500
RATE, RISE, FALL = 0.1, 0.05, 0.25  # of Adam; shares of the steps in which it rises and falls
NOISE, QUIET_AFTER = 0.05, 0.75  # of the deviation of w; the share of the steps with noise

Features = Callable[[Tensor], Tensor]


class Projections(NamedTuple):
    """Styles [N, layers, size], what they make uint8 [N, C, H, W], and the distance [N] of each.

    The distance is the root mean square difference of pixels, of which black to white is 1.
    """

    styles: Tensor
    images: Tensor
    distances: Tensor


class Projection(NamedTuple):
    """One of them: styles [layers, size], what they make, what it was to be, how far it is."""

    styles: Tensor
    image: Tensor
    target: Tensor
    distance: float


def project_images(model: Model, targets: Tensor, steps: int = STEPS, seed: int = 0) -> Projections:
    """The styles of images uint8 [N, C, H, W], each found for itself.

    From the nearest of 512 samples, Adam with a falling rate and fading noise on the styles of all
    layers (Karras et al., 2020, whose projector has one w for all) lowers the squared distance in
    pixels and in features, each as a share of that between two samples. Features are those of the
    shipped classifier for grey 28x28 images, of a random network for others.
    """
    network = style_generator(model.generator, "a projection")
    goal = to_network(targets, torch.device("cpu"))
    candidates = mapped(model.generator, model.prior.of(range(seed, seed + STARTS)))
    away = _distance(_features(model.shape), rendered(model.generator, candidates))
    start = _nearest(model, candidates, away, goal)
    deviation = candidates[:, 0].std(0).square().sum().sqrt() / math.sqrt(candidates.shape[2])
    styles = _descend(network, start, lambda made: away(made, goal), steps, seed, deviation.item())
    images = rendered(model.generator, styles)
    squares = (images.float() - targets.float()).div(255).square()
    return Projections(styles, images, squares.flatten(1).mean(1).sqrt())


def _descend(
    network: StyleGenerator,
    start: Tensor,
    away: Callable[[Tensor], Tensor],
    steps: int,
    seed: int,
    deviation: float,
) -> Tensor:
    """Adam from styles [N, layers, size], on the distances [N] of what they make."""
    styles = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([styles], RATE, (0.9, 0.999))
    with waiting(f"projection, {steps} steps", steps) as advance:
        for step in range(steps):
            done = step / steps
            ramp = min(1.0, (1 - done) / FALL)
            rate = RATE * (0.5 - 0.5 * math.cos(math.pi * ramp)) * min(1.0, (done + 1e-3) / RISE)
            optimizer.param_groups[0]["lr"] = rate
            strength = deviation * NOISE * max(0.0, 1 - done / QUIET_AFTER) ** 2
            noise = torch.randn(styles.shape, generator=keyed("projection", seed, step))
            made = network.synthesis(styles + strength * noise)
            (slope,) = torch.autograd.grad(away(made).sum(), styles)
            styles.grad = slope
            optimizer.step()
            advance(1)
    return styles.detach()


def _distance(features: Features, samples: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """The distance [N] of images [N, C, H, W] in [-1, 1], as a share of that between samples."""
    given = to_network(samples, torch.device("cpu"))
    with torch.no_grad():
        of_pixels, of_features = (_spread(of) for of in (given.flatten(1), features(given)))

    def distance(made: Tensor, goal: Tensor) -> Tensor:
        pixels = (made - goal).square().flatten(1).sum(1) / of_pixels
        return pixels + (features(made) - features(goal)).square().sum(1) / of_features

    return distance


def _spread(vectors: Tensor) -> Tensor:
    """The mean squared distance of two of these vectors [N, F]."""
    return (2 * vectors.var(0).sum()).clamp(min=1e-8)


@torch.no_grad()
def _nearest(
    model: Model, candidates: Tensor, away: Callable[[Tensor, Tensor], Tensor], goal: Tensor
) -> Tensor:
    """Of styles, those that make what is nearest to each image."""
    made = to_network(rendered(model.generator, candidates), torch.device("cpu"))
    places = [int(away(made, one[None].expand_as(made)).argmin()) for one in goal]
    return candidates[places]


def _features(shape: tuple[int, ...]) -> Features:
    """What an image looks like, differentiable and without a download."""
    if shape == (1, 28, 28):
        return shipped_classifier().requires_grad_(False).features
    features = random_features(shape).of_floats
    assert features is not None
    return features


def read_image(path: Path, shape: tuple[int, ...], background: str) -> Tensor:
    """An image file as uint8 [C, H, W] of a shape; InputError where it cannot be read."""
    plan = Plan(shape[-1], shape[0], ImageColor.getrgb(background)[:3])
    try:
        with quiet():
            array, _ = decode(path.read_bytes(), plan)
    except OSError as error:
        raise InputError(f"`{path}` cannot be read: {error.strerror}", "name an image") from None
    except Rejected as reason:
        told = LEFT_OUT[str(reason)]
        raise InputError(f"`{path}` is {told}", "name a PNG, JPEG or the like") from None
    return torch.from_numpy(array.copy())


def check_image(image: Tensor, shape: tuple[int, ...]) -> Tensor:
    """An image uint8 [1, C, H, W] from one of the generator's shape."""
    if image.dtype != torch.uint8 or tuple(image.shape) != shape:
        raise InputError(
            f"an image to project is uint8 {list(shape)}, not {image.dtype} {list(image.shape)}",
            "bring it to the size and channels of the generator's samples",
        )
    return image[None]
