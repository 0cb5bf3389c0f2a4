"""The game of G(z) against D(x)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sparring.data import Dataset, Sampler, to_network, to_samples
from sparring.errors import InputError
from sparring.games.phase import Judgement, Move, Phase
from sparring.lookup import find
from sparring.networks import build_discriminator, build_generator
from sparring.networks.layers import keyed_noise, noisy_layers, uses_batch_statistics
from sparring.objectives import LOSSES, Loss, Objective, Term, Weight, make_penalty, objective
from sparring.randomness import keyed, seed_of
from sparring.recipe import Latent, Penalty, Recipe

G, D = "generator", "discriminator"
CHUNK = 64  # the batch size of all sampling: kernels differ between sizes, samples must not


class LatentBatch:
    """Real and fake samples of one move, and what the discriminator says of them.

    Each is computed once, on first use. `fake` carries a graph only when the generator learns.
    """

    def __init__(self, game: LatentGame, move: Move) -> None:
        self.game = game
        self.move = move
        self._replaced: dict[str, dict[str, Tensor]] = {}

    @cached_property
    def real(self) -> Tensor:
        """Real samples [n, ...] as the networks see them."""
        move, game = self.move, self.game
        indices = game.sampler.at(move.position, move.batch_size)[move.part]
        real = to_network(game.dataset.values[indices], game.device, game.dtype)
        if game.flip:
            mirrored = torch.rand(move.batch_size, generator=move.draw("flip"))[move.part] < 0.5
            real = torch.where(mirrored.view(-1, 1, 1, 1).to(game.device), real.flip(-1), real)
        return real.requires_grad_("real" in move.differentiates)

    @cached_property
    def z(self) -> Tensor:
        """Latents [n, latent size]."""
        move, game = self.move, self.game
        shape = (move.batch_size, game.latent.size)
        drawn = prior(game.latent, shape, move.draw("z"))[move.part]
        return drawn.to(game.device, game.dtype, non_blocking=True)

    @cached_property
    def fake(self) -> Tensor:
        """Generated samples [n, ...]."""
        learning = G in self.move.learning
        with nullcontext() if learning else torch.no_grad():
            fake = self._call(G, "z", self.z).to(self.game.dtype)
        return fake.requires_grad_() if "fake" in self.move.differentiates else fake

    @cached_property
    def on_real(self) -> Judgement:
        """What the discriminator says of the real samples."""
        return self._both[0] if self._sees_both_at_once else self._judge("real", self.real)

    @cached_property
    def on_fake(self) -> Judgement:
        """What the discriminator says of the generated samples."""
        return self._both[1] if self._sees_both_at_once else self._judge("fake", self.fake)

    @cached_property
    def _both(self) -> tuple[Judgement, Judgement]:
        both = self._judge("both", torch.cat([self.real, self.fake]), views=2)
        real, fake = both.logits.chunk(2)
        return Judgement(real), Judgement(fake)

    @property
    def _sees_both_at_once(self) -> bool:
        """One forward pass for real and fake samples: quicker, and the same without batch
        statistics; gradients of the input are cheaper apart."""
        learns = D in self.move.learning
        return learns and self.game.judges_alone and not self.move.differentiates

    def with_parameters(self, player: str, parameters: dict[str, Tensor]) -> LatentBatch:
        """The same batch, seen by a player with other weights (unrolled steps)."""
        view = copy.copy(self)
        stale = ("on_real", "on_fake", "_both") + (("fake",) if player == G else ())
        view.__dict__ = {key: kept for key, kept in self.__dict__.items() if key not in stale}
        view._replaced = self._replaced | {player: parameters}
        return view

    def statistics(self) -> dict[str, Tensor]:
        if D not in self.move.learning:
            return {}
        return {
            "logits/real": self.on_real.logits.detach(),
            "logits/fake": self.on_fake.logits.detach(),
        }

    def _judge(self, of: str, samples: Tensor, views: int = 1) -> Judgement:
        logits = self._call(D, of, samples, views).flatten()
        return Judgement(logits if logits.dtype == torch.float64 else logits.float())

    def _call(self, player: str, of: str, inputs: Tensor, views: int = 1) -> Tensor:
        """A player's forward pass, in its precision and with its layers' noise drawn by key."""
        move = self.move
        for name, layer in self.game.noisy[player]:
            draw = move.draw(player, name, of)
            layer.noise = keyed_noise(draw, move.batch_size, move.part, views)
        network = self.game.players[player]
        with move.autocast(player):
            if player in self._replaced:
                return functional_call(network, self._replaced[player], (inputs,))
            return network(inputs)


class LatentGame:
    """One generator against one discriminator over a data set.

    `generator` and `discriminator` are modules; `penalties` are further terms of the
    discriminator, `terms` of the generator.
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
    ) -> None:
        self.device, self.dtype = torch.device(device), dtype
        self.latent, self.flip = recipe.latent, recipe.data.flip
        self.dataset = dataset
        self.sampler = Sampler(dataset.splits["train"], recipe.seed)
        self.loss = loss
        self.players = {
            name: network.to(self.device, dtype).to(memory_format=torch.channels_last).train()
            for name, network in ((D, discriminator), (G, generator))
        }
        self.noisy = {name: noisy_layers(network) for name, network in self.players.items()}
        self.judges_alone = not uses_batch_statistics(discriminator)
        self.phases = [
            Phase(
                D,
                (D,),
                recipe.optimizer.discriminator,
                [adversarial(D, loss), *penalties],
                repeats=recipe.repeats.discriminator,
            ),
            Phase(
                G,
                (G,),
                recipe.optimizer.generator,
                [adversarial(G, loss), *terms],
                repeats=recipe.repeats.generator,
            ),
        ]

    def batch(self, move: Move) -> LatentBatch:
        return LatentBatch(self, move)

    def before_step(self, samples_seen: int) -> None:
        """Nothing grows in this game."""

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
    seed = recipe.seed
    shape = dataset.shape
    if loss is None:
        loss = find(LOSSES, recipe.loss.name, "loss.name")
    if not isinstance(loss, Loss):
        raise InputError(
            f"loss.name: `{recipe.loss.name}` is no loss", "make it a sparring.objectives.Loss"
        )
    smoothing = recipe.loss.smoothing
    chosen = [
        make_penalty(
            penalty.name,
            scheduled(penalty, recipe.steps * recipe.batch_size),
            penalty.every,
            f"penalties.{place}.name",
        )
        for place, penalty in enumerate(recipe.penalties)
    ]
    return LatentGame(
        recipe,
        dataset,
        build_generator(
            recipe.generator, recipe.latent.size, shape, seed_of(seed, "init", G), generator
        ),
        build_discriminator(recipe.discriminator, shape, seed_of(seed, "init", D), discriminator),
        objective(loss, recipe.loss.pairing, smoothing.real, smoothing.fake),
        [*chosen, *penalties],
        terms,
        device,
    )


def scheduled(penalty: Penalty, samples: int) -> Weight:
    """A penalty's weight, as a function of samples seen where it has a schedule."""
    if penalty.schedule.name == "constant":
        return penalty.weight
    return lambda samples_seen: penalty.weight * penalty.schedule.factor(samples_seen / samples)


def prior(latent: Latent, shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
    """Draws from p(z): standard normal, or uniform on [0, 1)."""
    make: Any = torch.randn if latent.prior == "normal" else torch.rand
    return make(shape, generator=draw)


def latents_of(latent: Latent, seeds: Sequence[int]) -> Tensor:
    """The latents [N, size] of sample seeds: each depends on its own seed only."""
    rows = [prior(latent, (latent.size,), keyed("sample", seed)) for seed in seeds]
    return torch.stack(rows) if rows else torch.empty(0, latent.size)


@torch.inference_mode()
def generate(generator: nn.Module, z: Tensor, images: bool) -> Tensor:
    """Samples [N, ...] of latents [N, size]; the last batch is filled up."""
    parameter = next(generator.parameters())
    parts = []
    for chunk in z.split(CHUNK):
        filled = nn.functional.pad(chunk, (0, 0, 0, CHUNK - len(chunk)))
        output = generator(filled.to(parameter.device, parameter.dtype))[: len(chunk)]
        parts.append(to_samples(output, images))
    return torch.cat(parts)
