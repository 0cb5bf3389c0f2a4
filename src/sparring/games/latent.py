"""The game of G(z) against D(x)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor, nn

from sparring.data import Ahead, Dataset, Sampler, to_network
from sparring.errors import InputError
from sparring.games.batch import D, G, LatentBatch
from sparring.games.phase import Given, Move, Phase, with_apart
from sparring.games.sampling import generate, latents_of, prior_of
from sparring.lookup import find
from sparring.networks import build_discriminator, build_generator, takes_labels
from sparring.networks.discriminator import spectral_norms
from sparring.networks.growing import Growing
from sparring.networks.layers import noisy_layers, uses_batch_statistics
from sparring.objectives import (
    LOSSES,
    Augment,
    Loss,
    Objective,
    Term,
    make_augment,
    make_penalties,
    make_terms,
    objective,
    unrolled,
)
from sparring.randomness import seed_of
from sparring.recipe import Recipe

GRID, CLOUD = 100, 2000  # latents of a snapshot: images, vectors
READ_AT_ONCE = 2**28  # bytes of a file that is soon in memory as a whole


class LatentGame:
    """One generator against one discriminator over a data set.

    `generator` and `discriminator` are modules; `penalties` are further terms of the
    discriminator, `terms` of the generator; `augment` are the stages that samples pass through
    before the discriminator sees them.
    """

    averaged: tuple[str, ...] = (G,)

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: Objective,
        penalties: Sequence[Term] = (),
        terms: Sequence[Term] = (),
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        augment: Sequence[Augment] = (),
    ) -> None:
        self.device, self.dtype = torch.device(device), dtype
        self.flip = recipe.data.flip
        self.dataset = dataset
        self.prior = prior_of(recipe.latent, dataset, generator)
        self.sampler = Sampler(dataset.splits["train"], recipe.seed)
        self.loss = loss
        self.players = {
            name: network.to(self.device, dtype).to(memory_format=torch.channels_last).train()
            for name, network in ((D, discriminator), (G, generator))
        }
        self.noisy = {name: noisy_layers(network) for name, network in self.players.items()}
        self.conditional = {name for name, one in self.players.items() if takes_labels(one)}
        self._check_labels()
        self.spectral_norms = spectral_norms(discriminator)
        self.growth = recipe.growth
        self.growing = [one for one in self.players.values() if isinstance(one, Growing)]
        self.before_step(0)
        self.judges_alone = not uses_batch_statistics(discriminator)
        self.augment = [stage.to(self.device) for stage in augment]
        self.memories: Mapping[str, nn.Module] = {
            f"augment.{i}": stage for i, stage in enumerate(augment)
        }
        of_discriminator = Phase(
            D,
            (D,),
            recipe.optimizer.discriminator,
            [adversarial(D, loss), *penalties],
            repeats=recipe.repeats.discriminator,
            after=self._after_discriminator(recipe.clip_weights),
        )
        of_generator = Phase(
            G,
            (G,),
            recipe.optimizer.generator,
            [self._of_generator(recipe), *terms],
            repeats=recipe.repeats.generator,
        )
        self.phases = [*with_apart(of_discriminator), *with_apart(of_generator)]

    def _of_generator(self, recipe: Recipe) -> Term:
        """The generator's adversarial term, against the discriminator as it is or will be."""
        if recipe.unroll.steps == 0:
            term = adversarial(G, self.loss)
        else:
            term = unrolled(self.players[D], self.loss, recipe)
        return replace(term, weight=recipe.loss.weight)

    def _check_labels(self) -> None:
        """Both players are conditional, on the classes of the data, or none is."""
        if len(self.conditional) == 1:
            (one,) = self.conditional
            other = D if one == G else G
            raise InputError(
                f"the {one} is given labels, the {other} is not",
                f"set {other}.condition too, or {one}.condition=none",
            )
        if self.conditional and self.dataset.labels is None:
            raise InputError(
                f"a conditional GAN needs labels, which data `{self.dataset.name}` has not",
                "give data with classes (one subfolder each)",
            )

    def _after_discriminator(self, clip: float | None) -> Callable[[], None]:
        """What follows each move of the discriminator: clipping, augmentation that adapts."""
        weights: list[Tensor] = list(self.players[D].parameters())

        @torch.no_grad()
        def after() -> None:
            if clip is not None:
                torch._foreach_clamp_min_(weights, -clip)
                torch._foreach_clamp_max_(weights, clip)
            for stage in self.augment:
                stage.adapt()

        return after

    def sample(self, network: nn.Module, seeds: range) -> Tensor:
        """Samples [N, ...] of a generator, as in the data set."""
        return generate(network, self.prior.of(seeds), self.dataset.is_images)

    def makes(self, player: str) -> Dataset:
        return self.dataset

    def given(self, player: str, split: str) -> Given:
        return self.prior

    def snapshot(self, averages: Mapping[str, nn.Module]) -> list[Tensor]:
        """Samples of the same latents; images of a conditional generator class by class."""
        if not self.dataset.is_images:
            return [self.sample(averages[G], range(CLOUD))]
        if self.prior.classes:
            return [generate(averages[G], self.prior.in_order(range(GRID)), images=True)]
        return [self.sample(averages[G], range(GRID))]

    def examples(self, player: str, count: int) -> Tensor:
        if player == G:
            return latents_of(self.prior.latent, range(count))
        real = self.dataset.values[self.dataset.splits["train"][:count]]
        return to_network(real, torch.device("cpu"))

    def batch(self, move: Move) -> LatentBatch:
        return LatentBatch(self, move)

    def before_step(self, samples_seen: int) -> None:
        """Players that grow take up the stage of this moment."""
        for network in self.growing:
            network.grow(*self.growth.stage(samples_seen, network.resolutions))

    @cached_property
    def ahead(self) -> Ahead | None:
        """What reads a memory-mapped data set that is large, once the game has its sampler."""
        large = self.dataset.mapped and self.dataset.values.nbytes > READ_AT_ONCE
        return Ahead(self.dataset, self.sampler) if large else None

    def rows(self, move: Move) -> Tensor:
        """Which real samples a move's part looks at."""
        return self.sampler.at(move.position, move.batch_size)[move.part]

    def real(self, move: Move) -> Tensor:
        """The real samples of a move's part, as in the data set."""
        if self.ahead is not None:
            return self.ahead.rows(move.position, move.batch_size, move.part)
        return self.dataset.rows(self.rows(move))

    def as_grown(self, real: Tensor) -> Tensor:
        """Real images [N, C, H, W] with as much detail as generated ones have at this stage."""
        return self.growing[0].faded(real) if self.growing else real

    def equilibrium(self) -> dict[str, float]:
        return self.loss.equilibrium()

    def watch(self, kept: Mapping[str, Tensor]) -> dict[str, float]:
        """Mean scores and the discriminator's accuracy from its logits [steps, n] on both sides.

        A score is the sigmoid of the logit where that is a probability. Where only differences of
        logits mean something, the boundary is midway between the mean real and fake logit.
        """
        if "logits/real" not in kept:
            return {}
        real, fake = kept["logits/real"], kept["logits/fake"]
        boundary = (real.mean() + fake.mean()) / 2 if self.loss.shift_invariant else 0.0
        figures = {}
        for side, logits in (("real", real), ("fake", fake)):
            scores = (logits - boundary).sigmoid() if self.loss.loss.probabilistic else logits
            right = logits > boundary if side == "real" else logits < boundary
            figures[f"score/{side}"] = scores.mean().item()
            figures[f"accuracy/{side}"] = right.float().mean().item()
        return figures


def adversarial(player: str, loss: Objective) -> Term:
    """A player's part of the adversarial loss as a term."""
    if player == D:
        return Term(
            "adversarial",
            lambda batch: loss.discriminator(batch.on_real.logits, batch.on_fake.logits),
            couples_batch=loss.couples_batch,
        )
    paired = loss.pairing is not None
    return Term(
        "adversarial",
        lambda batch: loss.generator(
            batch.on_real.logits if paired else None, batch.on_fake.logits
        ),
        reads_real=paired,
        couples_batch=loss.couples_batch,
    )


def latent_game(
    recipe: Recipe,
    dataset: Dataset,
    device: torch.device,
    generator: Callable[..., nn.Module] | None = None,
    discriminator: Callable[..., nn.Module] | None = None,
    loss: Loss | None = None,
    penalties: Sequence[Term] = (),
    terms: Sequence[Term] = (),
) -> LatentGame:
    """The game that a recipe describes; a constructor, loss or term given here comes first.

    The options of the networks are completed in `recipe`.
    """
    if dataset.source is not None:
        raise InputError(
            f"data.inputs={recipe.data.inputs}: this recipe makes images of latents",
            "leave data.inputs out, or take the recipe pix2pix, cyclegan or srgan",
        )
    classes = len(dataset.classes) if dataset.labels is not None else 0
    seeds = {player: seed_of(recipe.seed, "init", player) for player in (G, D)}
    made = build_generator(
        recipe.generator, recipe.latent.size, dataset.shape, seeds[G], generator, classes
    )
    judge = build_discriminator(
        recipe.discriminator, dataset.shape, seeds[D], discriminator, classes
    )
    # On the device already, since terms remember something of them.
    further = make_terms(recipe, {G: made.to(device), D: judge.to(device)})
    return LatentGame(
        recipe,
        dataset,
        made,
        judge,
        objective_of(recipe, loss),
        [*make_penalties(recipe), *further[D], *penalties],
        [*further[G], *terms],
        device,
        augment=make_augment(recipe, dataset.shape),
    )


def objective_of(recipe: Recipe, loss: Loss | None) -> Objective:
    """The loss of a recipe, or one's own, with its pairing and smoothing."""
    if loss is None:
        loss = find(LOSSES, recipe.loss.name, "loss.name")
    if not isinstance(loss, Loss):
        raise InputError(
            f"loss.name: `{recipe.loss.name}` is no loss", "make it a sparring.objectives.Loss"
        )
    smoothing = recipe.loss.smoothing
    return objective(loss, recipe.loss.pairing, smoothing.real, smoothing.fake)
