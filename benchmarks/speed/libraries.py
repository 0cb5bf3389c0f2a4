"""The package against torch-mimicry and torchgan on their own networks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmarks import common
from benchmarks.speed import cases, plain
from benchmarks.speed.cases import Case
from benchmarks.speed.contenders import PACKAGE, PACKAGE_FP32, Run, package, turns
from benchmarks.speed.process import processes
from benchmarks.speed.rounds import interleaved, ratio, rows
from benchmarks.speed.shims import INSTALL, library
from sparring.data import Dataset
from sparring.networks.discriminator import normalize_spectrum
from sparring.recipe import Network, Recipe
from sparring.run import RunFolder

RATE, BETAS = 2e-4, (0.0, 0.9)


class Rival(NamedTuple):
    """A library's networks as the package is given them, its own loop, and the goals."""

    module: str
    case: Case
    generator: Callable[[], nn.Module]
    discriminator: Callable[[], nn.Module]
    loop: Callable[[Recipe, Dataset], Iterator[Any]]
    goal: float
    goal_fp32: float | None


def compare(name: str, budget: float, quick: bool) -> dict[str, Any] | None:
    """Time a library and the package in interleaved rounds; None if it is not installed."""
    rival = LIBRARIES[name]
    if library(rival.module) is None:
        print(f"{name}: {rival.module} is not installed ({INSTALL})", flush=True)
        return None
    recipe, dataset = recipe_of(rival, fp32=True), cases.data_of(rival.case)
    with common.scratch() as folder:
        made = {
            who: (contender, who, name, folder / who)
            for who in (PACKAGE, PACKAGE_FP32, rival.module)
        }
        with processes(made) as contenders:
            times = interleaved(contenders, rival.case.steps, budget, quick)
    found = [goal("times its speed", times, rival.module, PACKAGE, rival.goal)]
    if rival.goal_fp32 is not None:
        found.append(
            goal("times its speed in fp32", times, rival.module, PACKAGE_FP32, rival.goal_fp32)
        )
    return {
        "steps": rows(times),
        "goals": found,
        "times": {who: [round(t, 3) for t in values] for who, values in times.items()},
        "settings": {
            "rounds": len(times[PACKAGE]),
            "steps_a_round": rival.case.steps,
            "batch_size": recipe.batch_size,
            "shape": list(dataset.shape),
            "moves_of_discriminator": recipe.repeats.discriminator,
            "parameters": {
                player: sum(p.numel() for p in make().parameters())
                for player, make in (("generator", rival.generator),
                                     ("discriminator", rival.discriminator))
            },
        },
    }  # fmt: skip


def goal(
    what: str, times: dict[str, list[float]], over: str, under: str, bound: float
) -> dict[str, Any]:
    return common.goal(what, round(ratio(times, over, under)["median"], 2), bound, at_least=True)


def recipe_of(rival: Rival, fp32: bool) -> Recipe:
    """The case's recipe around networks that come from code."""
    recipe = cases.recipe_of(rival.case, fp32)
    recipe.generator, recipe.discriminator = Network(name="own"), Network(name="own")
    return recipe


def contender(who: str, name: str, folder: Path) -> Run:
    """The library itself, or its networks in the package's hands."""
    rival = LIBRARIES[name]
    recipe, dataset = recipe_of(rival, who != PACKAGE), cases.data_of(rival.case)
    if who == rival.module:
        return turns(rival.loop(recipe, dataset))
    return package(
        recipe,
        dataset,
        RunFolder(folder),
        lambda latent_size, shape: rival.generator(),
        lambda shape: rival.discriminator(),
    )


def mimicry_networks(family: str) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator of 32 pixels with the library's own widths."""
    nets = library("torch_mimicry").nets
    kind = getattr(nets, family)
    made = (
        getattr(kind, f"{family.upper()}Generator32")(),
        getattr(kind, f"{family.upper()}Discriminator32")(),
    )
    return made


def mimicry_steps(family: str, recipe: Recipe, dataset: Dataset) -> Iterator[None]:
    """What its Trainer does in a step, but for printing, logs and checkpoints."""
    mimicry = library("torch_mimicry")
    generator, discriminator = mimicry_networks(family)
    optimizer_d, optimizer_g = (
        torch.optim.Adam(player.parameters(), RATE, BETAS) for player in (discriminator, generator)
    )
    scheduler = mimicry.training.LRScheduler(None, optimizer_d, optimizer_g, recipe.steps)
    batches = plain.endless(dataset.values, recipe.batch_size)
    given = {"device": common.CPU, "scaler": None}
    step = 0
    while True:
        log = mimicry.training.MetricLog()
        for _ in range(recipe.repeats.discriminator):
            real = next(batches)
            log = discriminator.train_step(
                real_batch=real, netG=generator, optD=optimizer_d, log_data=log,
                global_step=step, **given,
            )  # fmt: skip
        log = generator.train_step(
            real_batch=real, netD=discriminator, optG=optimizer_g, log_data=log,
            global_step=step, **given,
        )  # fmt: skip
        step += 1
        scheduler.step(log_data=log, global_step=step)
        yield


def normalized() -> nn.Module:
    """mimicry's SNGAN discriminator: the layers of its DCGAN one, with spectral normalization as
    the package has it, whose power iteration is in fp32 and once a move."""
    discriminator = mimicry_networks("dcgan")[1]
    normalize_spectrum(discriminator)
    return discriminator


def torchgan_networks() -> dict[str, Any]:
    """What its Trainer is told: DCGAN at 64 pixels with the widths of the paper."""
    models = library("torchgan").models
    adam = {"name": torch.optim.Adam, "args": {"lr": RATE, "betas": (0.5, 0.999)}}
    return {
        "generator": {
            "name": models.DCGANGenerator,
            "args": {"encoding_dims": 100, "out_size": 64, "step_channels": 64},
            "optimizer": adam,
        },
        "discriminator": {
            "name": models.DCGANDiscriminator,
            "args": {"in_size": 64, "step_channels": 64},
            "optimizer": adam,
        },
    }


def torchgan_network(player: str) -> nn.Module:
    told = torchgan_networks()[player]
    return told["name"](**told["args"])


def torchgan_steps(recipe: Recipe, dataset: Dataset) -> Iterator[None]:
    """What its Trainer does with each batch of an epoch."""
    torchgan = library("torchgan")
    losses = [torchgan.losses.MinimaxGeneratorLoss(), torchgan.losses.MinimaxDiscriminatorLoss()]
    with common.scratch() as folder:
        trainer = torchgan.trainer.Trainer(
            torchgan_networks(),
            losses,
            device=common.CPU,
            checkpoints=str(folder / "model"),
            recon=str(folder),
        )
        trainer.batch_size = recipe.batch_size
        information = trainer.loss_information
        for real, labels in plain.endless(dataset.values, recipe.batch_size):
            trainer.real_inputs, trainer.labels = real, labels
            found = trainer.train_iter()
            names = ("generator_losses", "discriminator_losses", "generator_iters")
            for name, value in zip((*names, "discriminator_iters"), found, strict=True):
                information[name] += value
            trainer.logger.run_mid_epoch(trainer)
            yield


def mimicry(family: str, discriminator: Callable[[], nn.Module], loss: str) -> Rival:
    own: dict[str, Any] = {
        "loss.name": loss,
        "repeats.discriminator": 1,
        "latent.size": 128,
        "batch_size": 32,
    }
    return Rival(
        "torch_mimicry",
        Case("dcgan", 32, 3, 1, overrides=own),
        lambda: mimicry_networks(family)[0],
        discriminator,
        functools.partial(mimicry_steps, family),
        3.0,
        1.4,
    )


LIBRARIES = {
    "mimicry-dcgan": mimicry("dcgan", lambda: mimicry_networks("dcgan")[1], "logistic"),
    "mimicry-sngan": mimicry("sngan", normalized, "hinge"),
    "torchgan-dcgan": Rival(
        "torchgan",
        Case("dcgan", 64, 3, 1, count=2000),
        functools.partial(torchgan_network, "generator"),
        functools.partial(torchgan_network, "discriminator"),
        torchgan_steps,
        2.0,
        None,
    ),
}
