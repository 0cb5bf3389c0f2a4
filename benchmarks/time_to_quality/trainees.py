"""Who is trained: each can be given seconds, and shows samples on demand."""

from __future__ import annotations

import time
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from benchmarks import common, tutorial
from sparring.data import Dataset, to_samples
from sparring.games import GAMES
from sparring.recipes import load_recipe
from sparring.training.loop import train
from sparring.training.state import State

LATENT, CHUNK = 100, 250  # of the tutorials
UNSCORED = {"evaluation.every": 0, "evaluation.metrics": []}
EPOCHS = 30  # of the MLP tutorial
DCGAN_SIZE, DCGAN_BATCH, MLP_BATCH = 64, 64, 128
FIRST_SEED = 10**6


class Trainee(Protocol):
    """`steps` done at `batch_size`; `over` once there are no more."""

    steps: int
    batch_size: int
    over: bool

    def train(self, seconds: float) -> float:
        """Train until that many seconds have passed; returns the seconds it took."""

    def samples(self, count: int) -> list[Tensor]:
        """uint8 samples [count, C, H, W], as many kinds of them as there are ways of sampling."""


class Package:
    """A recipe as shipped, by the package's own loop; its averaged generator is sampled.

    `over` where its schedules end.
    """

    def __init__(self, name: str, dataset: Dataset, seed: int) -> None:
        recipe = load_recipe(name, {"seed": seed} | UNSCORED)
        rates = recipe.optimizer.generator.schedule, recipe.optimizer.discriminator.schedule
        if all(schedule.name == "constant" for schedule in rates):
            recipe.steps = 10**9
        self.state = State(GAMES[recipe.game](recipe, dataset, common.CPU), recipe, common.CPU)
        self.batch_size = recipe.batch_size

    @property
    def steps(self) -> int:
        return self.state.step

    @property
    def over(self) -> bool:
        return self.state.step >= self.state.recipe.steps

    def train(self, seconds: float) -> float:
        end = time.perf_counter() + seconds
        return train(self.state, [], lambda: time.perf_counter() >= end)

    def samples(self, count: int) -> list[Tensor]:
        average = self.state.ema["generator"].module
        return [self.state.game.sample(average, range(FIRST_SEED, FIRST_SEED + count))]


class Tutorial:
    """A tutorial's program on all training images; sampled in training mode and in eval mode.

    The DCGAN's brings images to 64 pixels, as the tutorial does; its samples are made small again.
    """

    over = False

    def __init__(self, name: str, dataset: Dataset, seed: int) -> None:
        torch.manual_seed(seed)
        images = dataset.split("train")
        self.size = dataset.shape[-1]
        if name == "tutorial-mlp":
            networks, self.batch_size, size = tutorial.mlp_networks(LATENT), MLP_BATCH, None
            self.last = EPOCHS * -(-len(images) // MLP_BATCH)
        else:
            networks = tutorial.dcgan_networks(LATENT, channels=dataset.shape[0])
            self.batch_size, size, self.last = DCGAN_BATCH, DCGAN_SIZE, None
        self.generator = networks[0]
        self.steps = 0
        self.loop = tutorial.picture_steps(images, *networks, LATENT, self.batch_size, size)

    def train(self, seconds: float) -> float:
        started = time.perf_counter()
        while not self.over and time.perf_counter() - started < seconds:
            next(self.loop)
            self.steps += 1
            self.over = self.steps == self.last
        return time.perf_counter() - started

    def samples(self, count: int) -> list[Tensor]:
        z = torch.randn(count, LATENT, generator=torch.Generator().manual_seed(FIRST_SEED))
        return [
            made(self.generator.train(training), z, self.size) for training in (False, True)
        ]  # ends in training mode


@torch.no_grad()
def made(generator: nn.Module, z: Tensor, size: int) -> Tensor:
    """uint8 samples [N, C, size, size]; sampling leaves the running statistics as they were."""
    kept = {name: value.clone() for name, value in generator.state_dict().items()}
    parts = []
    for part in z.split(CHUNK):
        images = generator(part)
        images = images if images.dim() == 4 else images.view(len(part), 1, size, size)
        if images.shape[-1] != size:
            images = interpolate(images, size=(size, size), mode="bilinear", antialias=True)
        parts.append(to_samples(images, images=True))
    generator.load_state_dict(kept)
    return torch.cat(parts)


TUTORIALS = ("tutorial-mlp", "tutorial-dcgan")
RECIPES = ("digits", "mlp-mnist", "dcgan", "sngan", "r3gan")


def trainee(name: str, dataset: Dataset, seed: int) -> Trainee:
    return (Tutorial if name in TUTORIALS else Package)(name, dataset, seed)
