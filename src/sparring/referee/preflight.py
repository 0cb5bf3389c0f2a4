"""Preflight: combinations known to go wrong, told before the first step with the key to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from sparring.data import Dataset
from sparring.games import Game, Phase
from sparring.metrics.features import find_extractor
from sparring.networks.discriminator import Discriminator
from sparring.networks.layers import couples
from sparring.networks.minibatch import MinibatchStddev
from sparring.networks.probe import last_operation, outputs
from sparring.recipe import Network, Optimizer, Recipe
from sparring.recipes import own_rates
from sparring.referee.finding import Finding

SMALL_BATCH = 16  # samples; the variance of fewer is mostly noise
FEW_IMAGES = 1000
HIGH_RATE = 1e-2  # of an optimizer that normalizes its steps
FAR = 20  # times the recipe's own rate, or that part of it
HIGH_BETA1 = 0.9
HIGH_WEIGHT = 1000.0  # the papers' usual R1 (γ = 10) is a weight of 5
LOPSIDED = 10  # generated samples for each real one; more do not make a score any better
PROBES = 16  # samples that a network of the user's own is tried with


class Setup(NamedTuple):
    """What is about to be trained."""

    recipe: Recipe
    dataset: Dataset
    game: Game

    @property
    def judges(self) -> dict[str, nn.Module]:
        """The discriminators by name."""
        players = self.game.players
        return {name: one for name, one in players.items() if name.startswith("discriminator")}

    @property
    def judging(self) -> list[Phase]:
        """The phases in which a discriminator learns."""
        judges = self.judges.keys()
        return [phase for phase in self.game.phases if not judges.isdisjoint(phase.players)]

    @property
    def own_loss(self) -> bool:
        """Whether the loss is the user's own, so that nothing is known of it."""
        return "loss" in self.recipe.custom or ":" in self.recipe.loss.name


Check = Callable[[Setup], Iterator[Finding]]


def preflight(recipe: Recipe, dataset: Dataset, game: Game) -> list[Finding]:
    """What is known to go wrong with these settings on these data; warnings at step 0.

    The players and terms are those of `game`, since they can come from code instead of the recipe.
    """
    setup = Setup(recipe, dataset, game)
    return [finding for check in CHECKS for finding in check(setup)]


def warning(
    code: str, evidence: str, advice: str, keys: Mapping[str, Any] | None = None
) -> Finding:
    return Finding(code, "warning", 0, evidence, advice, keys or {})


def coupled_penalty(setup: Setup) -> Iterator[Finding]:
    """A gradient penalty bounds the slope at each sample, which shared statistics blur."""
    terms = [t.name for phase in setup.judging for t in phase.terms if t.differentiates]
    for name, judge in setup.judges.items():
        # One that gives a single logit for the whole batch has no slope at each sample to blur.
        single = getattr(judge, "couples_batch", False)
        if terms and _blurs(judge) and not single:
            options = setup.recipe.discriminator.options()
            mend = f"take batch statistics out of {name}.name={setup.recipe.discriminator.name}"
            if options.get("minibatch") == "discrimination":
                mend = f"set {name}.minibatch=stddev or none"
            elif "normalization" in options:
                mend = f"set {name}.normalization=none or layer"
            yield warning(
                "coupled-penalty",
                f"penalty {', '.join(terms)} on a {name} whose logits depend on the whole batch",
                f"{mend}, or penalties=[]",
            )


def _blurs(judge: nn.Module) -> bool:
    """Whether the slope at a sample depends on the others by more than one number: the deviation
    in a minibatch is published with such penalties (Karras et al., 2018 and 2020)."""
    return any(couples(one) for one in judge.modules() if not isinstance(one, MinibatchStddev))


def sigmoid_twice(setup: Setup) -> Iterator[Finding]:
    """Every loss here is written for logits; only one's own network can end in a sigmoid."""
    if setup.own_loss or not _is_own(setup.recipe.discriminator):
        return
    for name, judge in setup.judges.items():
        logits = outputs(judge, setup.game.examples(name, PROBES))
        if last_operation(logits) in ("Sigmoid", "Hardsigmoid", "LogSigmoid"):
            yield warning(
                "sigmoid-twice",
                f"{name} ends in a sigmoid, but every loss works on logits",
                f"let {name}.name={setup.recipe.discriminator.name} return what it has before it",
            )


def adam_momentum(setup: Setup) -> Iterator[Finding]:
    """The opponent moves on, so that a long memory of its past gradients overshoots."""
    for player, chosen in _optimizers(setup).items():
        if chosen.name == "adam" and chosen.betas[0] >= HIGH_BETA1:
            yield warning(
                "adam-momentum",
                f"Adam's beta1 {chosen.betas[0]:g} lets the {player} overshoot its opponent",
                f"set optimizer.{player}.betas=[0.5,{chosen.betas[1]:g}]",
                {f"optimizer.{player}.betas": [0.5, chosen.betas[1]]},
            )


def small_batch(setup: Setup) -> Iterator[Finding]:
    """The smallest part of a batch that goes through batch normalization at a time."""
    recipe = setup.recipe
    part = min(recipe.micro_batch or recipe.batch_size, recipe.batch_size)
    smallest = recipe.batch_size % part or part
    normalized = [
        name
        for name, player in setup.game.players.items()
        if any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in player.modules())
    ]
    if normalized and smallest < SMALL_BATCH:
        mend = f"set batch_size={SMALL_BATCH} or more"
        if recipe.batch_size >= SMALL_BATCH:
            sizes = range(SMALL_BATCH, recipe.batch_size + 1)
            fits = next(size for size in sizes if recipe.batch_size % size == 0)
            mend = f"set micro_batch={fits}, which divides batch_size"
        yield warning(
            "small-batch",
            f"batch normalization over {smallest} samples in the {' and the '.join(normalized)}",
            mend,
        )


def few_images(setup: Setup) -> Iterator[Finding]:
    """A discriminator learns a small set by heart, and then rejects everything else."""
    count = len(setup.dataset.splits["train"])
    if setup.dataset.is_images and count < FEW_IMAGES and not setup.recipe.data.flip:
        yield warning(
            "few-images",
            f"{count} training images, without augmentation: few enough to be learned by heart",
            "set data.flip=true where mirror images are as real, or add images",
        )


def short_run(setup: Setup) -> Iterator[Finding]:
    """Less than one pass over the training images."""
    recipe, count = setup.recipe, len(setup.dataset.splits["train"])
    per_step = recipe.batch_size * recipe.repeats.discriminator
    if setup.dataset.is_images and recipe.steps * per_step < count:
        yield warning(
            "short-run",
            f"{recipe.steps:,} steps show {recipe.steps * per_step:,} of {count:,} training images",
            f"set steps={-(-count // per_step)} or more: that is one pass, and it takes many",
        )


def high_rate(setup: Setup) -> Iterator[Finding]:
    """Steps of Adam and RMSprop are as long as the rate says, whatever the gradient."""
    own = own_rates(setup.recipe)
    for player, chosen in _optimizers(setup).items():
        key = f"optimizer.{player}.lr"
        rate, whose = (own[key], " (the recipe's own)") if key in own else (1e-3, "")
        if chosen.name != "sgd" and chosen.lr > HIGH_RATE:
            yield warning(
                "high-rate",
                f"rate {chosen.lr:g} of the {player} is far above the usual 1e-4 to 1e-3",
                f"set {key}={rate:g}{whose} or less",
                {key: rate},
            )
        elif key in own and max(chosen.lr / rate, rate / chosen.lr) > 0.999 * FAR:
            yield warning(
                "far-rate",
                f"rate {chosen.lr:g} of the {player} is {FAR} times and more from the recipe's own",
                f"set {key}={rate:g} or nearer to it",
                {key: rate},
            )


def heavy_penalty(setup: Setup) -> Iterator[Finding]:
    """A weight so large that the discriminator learns to be flat and nothing else."""
    for place, penalty in enumerate(setup.recipe.penalties):
        if penalty.weight > HIGH_WEIGHT:
            yield warning(
                "heavy-penalty",
                f"weight {penalty.weight:g} of penalty {penalty.name} is far above the usual",
                f"set penalties.{place}.weight=10 or less",
                {f"penalties.{place}.weight": 10.0},
            )


def generator_range(setup: Setup) -> Iterator[Finding]:
    """Images are in [-1, 1]: one's own generator should be able to put out all of that, no more."""
    chosen = setup.recipe.generator
    if not setup.dataset.is_images or not _is_own(chosen):
        return
    for name in setup.game.averaged:
        z = setup.game.examples(name, PROBES)
        # Far from the prior an output is as large or as small as it can get.
        said = [outputs(setup.game.players[name], z * far) for far in (1, 1e3, -1e3)]
        values = torch.cat([one.detach().float().flatten() for one in said])
        linear = last_operation(said[0]) in ("Addmm", "Mm", "Convolution")
        if linear or not values.abs().max() <= 1.01:
            evidence = f"the {name}'s output has no bounds, but images are in [-1, 1]"
        elif values.min() >= 0:
            evidence = f"the {name}'s output is never negative, but images are in [-1, 1]"
        else:
            continue
        yield warning("generator-range", evidence, f"let {name}.name={chosen.name} end in a tanh")


def slow_average(setup: Setup) -> Iterator[Finding]:
    """The averaged generator is what is scored and shipped; it must have left its start behind."""
    ema, total = setup.recipe.ema, setup.recipe.steps * setup.recipe.batch_size
    half_life = min(ema.half_life, total * (ema.ramp_up or float("inf")))
    if half_life >= total:
        yield warning(
            "slow-average",
            f"the averaged generator's half-life of {ema.half_life:,.0f} samples is no shorter "
            f"than the run of {total:,}",
            f"set ema.half_life={max(1, total // 10)} or less, or ema.ramp_up=0.05",
            {"ema.half_life": max(1, total // 10)},
        )


def two_sided_smoothing(setup: Setup) -> Iterator[Finding]:
    """Smoothed fake labels hold the generator where the data are not (Salimans et al., 2016)."""
    smoothing = setup.recipe.loss.smoothing
    if smoothing.fake > 0:
        yield warning(
            "two-sided-smoothing",
            f"fake labels are smoothed by {smoothing.fake:g}; the published advice is one-sided",
            "set loss.smoothing.fake=0",
            {"loss.smoothing.fake": 0.0},
        )


def unbounded_critic(setup: Setup) -> Iterator[Finding]:
    """The Wasserstein loss has no minimum unless something keeps the critic's slope in bounds."""
    if setup.own_loss or setup.recipe.loss.name != "wasserstein":
        return
    for phase in setup.judging:
        # A further term, also one that stands apart, weight clipping, or spectral normalization.
        terms = [
            term for one in setup.judging if one.players == phase.players for term in one.terms
        ]
        bounded = len(terms) > 1 or setup.recipe.clip_weights is not None
        judges = [setup.judges[name] for name in phase.players if name in setup.judges]
        if not bounded and not any(_has_spectral_norm(judge) for judge in judges):
            yield warning(
                "unbounded-critic",
                "the Wasserstein loss grows without end where nothing bounds the critic's slope",
                "set penalties=[{name: r1, weight: 1}], or loss.name=logistic",
                {"penalties": [{"name": "r1", "weight": 1.0}]},
            )


def idle_classifier(setup: Setup) -> Iterator[Finding]:
    """An auxiliary classifier that no term trains: then labels do nothing at all."""
    terms = [term.name for phase in setup.judging for term in phase.terms]
    for name, judge in setup.judges.items():
        auxiliary = isinstance(judge, Discriminator) and judge.head.classify is not None
        if auxiliary and "classification" not in terms and not setup.recipe.custom:
            yield warning(
                "idle-classifier",
                f"nothing trains the auxiliary classifier of the {name}, so labels do nothing",
                f"set {name}.condition=projection, or terms=[{{name: classification}}]",
            )


def scores_of_few(setup: Setup) -> Iterator[Finding]:
    """Scores during training, which choose the checkpoint, from samples that are too few."""
    config, held_out = setup.recipe.evaluation, setup.dataset.splits["select"]
    if not config.metrics:
        return
    extract = find_extractor(config.features, setup.dataset, config.weights)
    size = extract(setup.dataset.values[held_out[:2]]).shape[1]
    if "fid" in config.metrics and min(config.samples, len(held_out)) <= size:
        rest = ",".join(name for name in config.metrics if name != "fid") or "kid"
        enough = f"evaluation.samples={10 * size}, or " if len(held_out) > size else ""
        yield warning(
            "fid-of-few",
            f"fid in {size} dimensions of {config.samples:,} generated and {len(held_out):,} real "
            "samples is mostly chance",
            f"set {enough}evaluation.metrics=[{rest}]",
        )
    if config.samples > LOPSIDED * len(held_out):
        yield warning(
            "few-held-out",
            f"{config.samples:,} generated samples are scored against only {len(held_out):,} real",
            f"set evaluation.samples={LOPSIDED * len(held_out)}, or add data",
        )


def _optimizers(setup: Setup) -> dict[str, Optimizer]:
    both = setup.recipe.optimizer
    return {"generator": both.generator, "discriminator": both.discriminator}


def _is_own(network: Network) -> bool:
    """Whether a network is the user's own, which a recipe names as module:attribute."""
    return ":" in network.name


def _has_spectral_norm(network: nn.Module) -> bool:
    """PyTorch keeps the vector of its power iteration as a buffer, in either of its two ways."""
    return any(name.endswith("_u") for name, _ in network.named_buffers())


CHECKS: tuple[Check, ...] = (
    coupled_penalty,
    sigmoid_twice,
    adam_momentum,
    small_batch,
    few_images,
    short_run,
    high_rate,
    heavy_penalty,
    generator_range,
    slow_average,
    two_sided_smoothing,
    unbounded_critic,
    idle_classifier,
    scores_of_few,
)
