"""Plain loops over the networks of recipes that no tutorial has at this size.

As tutorials are written: fp32, PyTorch's default memory format, a PIL image and its transforms for
each sample, real and fake samples judged one after the other, nobody frozen, PyTorch's Adam as it
comes, both losses read in each step. The mathematics is the recipe's: networks, batch, losses,
penalties and how often they come, updates of each player; there is no average of the generator.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, relu
from torch.utils.data import DataLoader

from benchmarks.tutorial import PictureDataset
from sparring.data import Dataset
from sparring.networks import build_discriminator, build_generator
from sparring.recipe import Recipe

Losses = Iterator[tuple[float, float]]


def steps(recipe: Recipe, dataset: Dataset) -> Losses:
    """Train a recipe's networks for ever; gives both losses after each step."""
    if recipe.game == "cyclegan":
        return cycle_steps(recipe, dataset)
    if recipe.generator.name == "stylegan2":
        return style_steps(recipe, dataset)
    return latent_steps(recipe, dataset)


def logistic_d(real: Tensor, fake: Tensor) -> Tensor:
    on_real = binary_cross_entropy_with_logits(real, torch.ones_like(real))
    return on_real + binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))


def logistic_g(fake: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


LOSSES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "logistic": (logistic_d, logistic_g),
    "hinge": (
        lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(),
        lambda f: -f.mean(),
    ),
    "wasserstein": (lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean()),
}


def latent_steps(recipe: Recipe, dataset: Dataset) -> Losses:
    """G(z) against D(x), perhaps with labels and a penalty on D."""
    classes = len(dataset.classes)
    generator, discriminator = networks(recipe, dataset)
    optimizer_g, optimizer_d = optimizers(recipe, generator, discriminator)
    loss_of_d, loss_of_g = LOSSES[recipe.loss.name]
    batches = endless(dataset.values, recipe.batch_size, dataset.labels)
    penalty = recipe.penalties[0] if recipe.penalties else None
    latent, size = recipe.latent.size, recipe.batch_size
    for step in itertools.count():
        for _ in range(recipe.repeats.discriminator):
            real, classes_of_real = next(batches)
            labels = (classes_of_real,) if classes else ()
            wanted = (torch.randint(classes, (size,)),) if classes else ()
            optimizer_d.zero_grad()
            fake = generator(torch.randn(size, latent), *wanted).detach()
            loss_d = loss_of_d(discriminator(real, *labels), discriminator(fake, *wanted))
            if penalty and step % penalty.every == 0:
                weight = penalty.weight * penalty.every
                loss_d = loss_d + weight * PENALTIES[penalty.name](
                    discriminator, real, fake, *labels
                )
            loss_d.backward()
            optimizer_d.step()
        wanted = (torch.randint(classes, (size,)),) if classes else ()
        optimizer_g.zero_grad()
        fake = generator(torch.randn(size, latent), *wanted)
        loss_g = loss_of_g(discriminator(fake, *wanted))
        loss_g.backward()
        optimizer_g.step()
        yield loss_d.item(), loss_g.item()


def style_steps(recipe: Recipe, dataset: Dataset) -> Losses:
    """StyleGAN2: R1 and path length as updates of their own, now and then."""
    generator, discriminator = networks(recipe, dataset)
    optimizer_g, optimizer_d = optimizers(recipe, generator, discriminator)
    r1, path = recipe.penalties[0], recipe.terms[0]
    batches = endless(dataset.values, recipe.batch_size)
    latent, size = recipe.latent.size, recipe.batch_size
    mean_length = torch.zeros(())
    for step in itertools.count():
        real, _ = next(batches)
        optimizer_d.zero_grad()
        fake = generator(torch.randn(size, latent)).detach()
        loss_d = logistic_d(discriminator(real), discriminator(fake))
        loss_d.backward()
        optimizer_d.step()
        if step % r1.every == 0:
            optimizer_d.zero_grad()
            (r1.weight * r1.every * squared_slope(discriminator, real)).backward()
            optimizer_d.step()
        optimizer_g.zero_grad()
        loss_g = logistic_g(discriminator(generator(torch.randn(size, latent))))
        loss_g.backward()
        optimizer_g.step()
        if step % path.every == 0:
            optimizer_g.zero_grad()
            made = generator(torch.randn(size // 2, latent), whole=True)
            noise = torch.randn_like(made.samples) / made.samples[0, 0].numel() ** 0.5
            (slopes,) = torch.autograd.grad(
                (made.samples * noise).sum(), made.styles, create_graph=True
            )
            lengths = slopes.square().sum(2).mean(1).sqrt()
            mean_length = mean_length.lerp(lengths.mean().detach(), 0.01)
            (path.weight * path.every * (lengths - mean_length).square().mean()).backward()
            optimizer_g.step()
        yield loss_d.item(), loss_g.item()


def cycle_steps(recipe: Recipe, dataset: Dataset) -> Losses:
    """CycleGAN: two generators, two discriminators, and a pool of earlier images for each."""
    assert dataset.source is not None
    ways = [networks(recipe, one, dataset.source.shape) for one in (dataset, dataset.source)]
    (there, judge_b), (back, judge_a) = ways
    optimizer_g = adam(recipe.optimizer.generator, there, back)
    optimizer_d = adam(recipe.optimizer.discriminator, judge_a, judge_b)
    batches = [endless(one.split("train"), recipe.batch_size) for one in (dataset.source, dataset)]
    pools: list[list[Tensor]] = [[], []]
    square, distance = nn.MSELoss(), nn.L1Loss()
    cycle, identity = (term.weight for term in recipe.terms)

    def fooled(logits: Tensor) -> Tensor:
        return square(logits, torch.ones_like(logits))

    while True:
        (a, _), (b, _) = (next(one) for one in batches)
        optimizer_g.zero_grad()
        fake_b, fake_a = there(a), back(b)
        loss_g = fooled(judge_b(fake_b)) + fooled(judge_a(fake_a))
        loss_g = loss_g + cycle * (distance(back(fake_b), a) + distance(there(fake_a), b))
        loss_g = loss_g + identity * (distance(there(b), b) + distance(back(a), a))
        loss_g.backward()
        optimizer_g.step()
        optimizer_d.zero_grad()
        loss_d = torch.zeros(())
        for judge, real, fake, pool in (
            (judge_b, b, fake_b, pools[0]),
            (judge_a, a, fake_a, pools[1]),
        ):
            on_fake = judge(pooled(pool, fake.detach(), recipe.buffer))
            loss_d = loss_d + fooled(judge(real)) + square(on_fake, torch.zeros_like(on_fake))
        loss_d.backward()
        optimizer_d.step()
        yield loss_d.item(), loss_g.item()


def pooled(pool: list[Tensor], made: Tensor, size: int) -> Tensor:
    """New images, half of them exchanged for earlier ones."""
    shown = []
    for image in made:
        if len(pool) < size:
            pool.append(image)
            shown.append(image)
        elif random.random() < 0.5:
            place = random.randrange(size)
            shown.append(pool[place])
            pool[place] = image
        else:
            shown.append(image)
    return torch.stack(shown)


def squared_slope(discriminator: nn.Module, real: Tensor, *labels: Tensor) -> Tensor:
    real = real.detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(real, *labels).sum(), real, create_graph=True)
    return slope.square().flatten(1).sum(1).mean()


def r1(discriminator: nn.Module, real: Tensor, fake: Tensor, *labels: Tensor) -> Tensor:
    return squared_slope(discriminator, real, *labels)


def gradient_penalty(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    share = torch.rand(len(real), 1, 1, 1)
    points = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(points).sum(), points, create_graph=True)
    return (slope.flatten(1).norm(2, dim=1) - 1).square().mean()


PENALTIES: dict[str, Callable[..., Tensor]] = {"r1": r1, "gp": gradient_penalty}


def networks(
    recipe: Recipe, dataset: Dataset, given: tuple[int, ...] | None = None
) -> tuple[nn.Module, nn.Module]:
    """The package's modules, in the default memory format."""
    classes = len(dataset.classes)
    generator = build_generator(
        recipe.generator, given or recipe.latent.size, dataset.shape, 0, classes=classes
    )
    discriminator = build_discriminator(recipe.discriminator, dataset.shape, 0, classes=classes)
    # Its first linear layer is laid out for channels_last, which no tutorial uses.
    first = getattr(generator, "layers", getattr(generator, "blocks", None))
    if isinstance(first, nn.Sequential | nn.ModuleList):
        first[0].register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(), *inputs[1:]))
    return generator.train(), discriminator.train()


def optimizers(recipe: Recipe, generator: nn.Module, discriminator: nn.Module) -> list[Any]:
    chosen = recipe.optimizer
    return [adam(chosen.generator, generator), adam(chosen.discriminator, discriminator)]


def adam(chosen: Any, *players: nn.Module) -> torch.optim.Optimizer:
    parameters = [parameter for player in players for parameter in player.parameters()]
    return torch.optim.Adam(parameters, lr=chosen.lr, betas=chosen.betas)


def endless(values: Tensor, size: int, labels: Tensor | None = None) -> Iterator[Any]:
    """Batches of images [size, C, H, W] and labels, shuffled anew in each pass."""
    loader = DataLoader(PictureDataset(values, labels), size, shuffle=True, drop_last=True)
    while True:
        yield from loader
