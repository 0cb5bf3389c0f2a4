"""What one move of a latent game looks at."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.func import functional_call

from sparring.data import to_network
from sparring.errors import InputError
from sparring.games.phase import Move
from sparring.games.sampling import draw_labels, draw_latents
from sparring.networks.discriminator import Discriminator, Judgement
from sparring.networks.layers import keyed_noise
from sparring.networks.styles import Made, has_styles

if TYPE_CHECKING:
    from sparring.games.latent import LatentGame

G, D = "generator", "discriminator"


class LatentBatch:
    """Real and fake samples of one move, and what the discriminator says of them.

    Each is computed once, on first use. `fake` carries a graph only when the generator learns.
    The discriminator sees samples augmented; gradients are those of the images before that.
    """

    of_generator: tuple[str, ...] = ("fake", "_made")  # what its weights decide

    def __init__(self, game: LatentGame, move: Move) -> None:
        self.game = game
        self.move = move
        self._replaced: dict[str, dict[str, Tensor]] = {}
        self._judged = False

    @cached_property
    def _indices(self) -> Tensor:
        """Of the real samples."""
        return self.game.rows(self.move)

    @cached_property
    def real(self) -> Tensor:
        """Real samples [n, ...] as the networks see them."""
        move, game = self.move, self.game
        real = to_network(game.real(move), game.device, game.dtype)
        return game.as_grown(self._flipped(real)).requires_grad_("real" in move.differentiates)

    def _flipped(self, images: Tensor) -> Tensor:
        """Half of the images mirrored where that is wanted, the same places throughout a move."""
        move, game = self.move, self.game
        if not game.flip:
            return images
        mirrored = torch.rand(move.batch_size, generator=move.draw("flip"))[move.part] < 0.5
        return torch.where(mirrored.view(-1, 1, 1, 1).to(game.device), images.flip(-1), images)

    @cached_property
    def labels(self) -> Tensor | None:
        """The labels [n] of the real samples, in a game with classes."""
        if not self.game.prior.class_counts:
            return None
        assert self.game.dataset.labels is not None
        return self.game.dataset.labels[self._indices].to(self.game.device)

    @cached_property
    def z(self) -> Tensor:
        """Latents [n, latent size]."""
        move, game = self.move, self.game
        shape = (move.batch_size, game.prior.latent.size)
        drawn = draw_latents(game.prior.latent, shape, move.draw("z"))[move.part]
        return drawn.to(game.device, game.dtype, non_blocking=True)

    @cached_property
    def fake_labels(self) -> Tensor | None:
        """The labels [n] that fakes are made for: drawn, or those of the real ones they are paired
        with, since a pair should differ in nothing else."""
        move, game = self.move, self.game
        if not game.prior.class_counts or game.loss.pairing is not None:
            return self.labels
        drawn = draw_labels(game.prior.class_counts, move.batch_size, move.draw("labels"))
        return drawn[move.part].to(game.device)

    @cached_property
    def fake(self) -> Tensor:
        """Generated samples [n, ...]."""
        made = self._made.samples if isinstance(self._made, Made) else self._made
        fake = made.to(self.game.dtype)
        return fake.requires_grad_() if "fake" in self.move.differentiates else fake

    @property
    def styles(self) -> Tensor:
        """What a style generator made the fakes of [n, layers, size], in the same graph."""
        if not isinstance(self._made, Made):
            raise InputError("this generator has no styles", "choose generator.name=stylegan2")
        return self._made.styles

    @cached_property
    def _made(self) -> Tensor | Made:
        learning = G in self.move.learning
        with nullcontext() if learning else torch.no_grad():
            made = self._call(G, "z", self.z, self.fake_labels)
        assert not isinstance(made, Judgement)
        return made

    def every(self, count: int) -> LatentBatch:
        """Every so many samples of the global batch, those of this one, as a batch of their own."""
        start, stop = self.move.part.start, self.move.part.stop
        start = min(start + -start % count, stop - 1)  # one at least
        return LatentBatch(self.game, replace(self.move, part=slice(start, stop, count)))

    @cached_property
    def on_real(self) -> Judgement:
        """What the discriminator says of the real samples."""
        if self._sees_both_at_once:
            return self._both[0]
        return self.judge("real", self.real, self.labels)

    @cached_property
    def on_fake(self) -> Judgement:
        """What the discriminator says of the generated samples."""
        if self._sees_both_at_once:
            return self._both[1]
        return self.judge("fake", self.fake, self.fake_labels)

    def judge(self, of: str, samples: Tensor, labels: Tensor | None) -> Judgement:
        """What the discriminator says of samples [n, ...], augmented by draws of the name `of`."""
        return self._judgement(of, self._augmented(of, samples), labels)

    def uniform(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Draws [n, *shape] from U[0, 1), e.g. for points between samples."""
        move, game = self.move, self.game
        drawn = torch.rand((move.batch_size, *shape), generator=move.draw(name))[move.part]
        return drawn.to(game.device, game.dtype)

    def normal(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Draws [n, *shape] from N(0, 1)."""
        move, game = self.move, self.game
        drawn = torch.randn((move.batch_size, *shape), generator=move.draw(name))[move.part]
        return drawn.to(game.device, game.dtype)

    @cached_property
    def _both(self) -> tuple[Judgement, Judgement]:
        samples = [self._augmented("real", self.real), self._augmented("fake", self.fake)]
        labels = None
        if self.labels is not None and self.fake_labels is not None:
            labels = torch.cat([self.labels, self.fake_labels])
        both = self._judgement("both", torch.cat(samples), labels, views=2)
        halves = [(None, None) if part is None else part.chunk(2) for part in both]
        real, fake = zip(*halves, strict=True)
        return Judgement(*real), Judgement(*fake)

    @property
    def _sees_both_at_once(self) -> bool:
        """One forward pass for real and fake samples: quicker, and the same without batch
        statistics; gradients of either one's input are cheaper apart."""
        move = self.move
        apart = move.differentiates & {"real", "fake"}
        learning = D in move.learning or D in self._replaced
        return learning and self.game.judges_alone and not apart

    def with_parameters(self, player: str, parameters: dict[str, Tensor]) -> LatentBatch:
        """The same batch, seen by a player with other weights (unrolled steps)."""
        view = copy.copy(self)
        stale = ("on_real", "on_fake", "_both") + (self.of_generator if player == G else ())
        view.__dict__ = {key: kept for key, kept in self.__dict__.items() if key not in stale}
        view._replaced = self._replaced | {player: parameters}
        return view

    def statistics(self) -> dict[str, Tensor]:
        """What the discriminator says while it learns; a move that is a penalty's own, and looks at
        one side only, tells nothing that compares with others."""
        if D not in self.move.learning or not {"on_real", "on_fake"} <= self.__dict__.keys():
            return {}
        found: dict[str, Tensor] = {}
        for stage in self.game.augment:
            stage.watch(self.on_real.logits.detach())
            found |= stage.figures()
        for side, said, labels in (
            ("real", self.on_real, self.labels),
            ("fake", self.on_fake, self.fake_labels),
        ):
            found[f"logits/{side}"] = said.logits.detach()
            if said.class_logits is not None:
                assert labels is not None
                right = said.class_logits.detach().argmax(1).eq(labels)
                found[f"accuracy/class_{side}"] = right.float()
        return found

    def _augmented(self, of: str, samples: Tensor) -> Tensor:
        for stage in self.game.augment:
            samples = stage(samples, of, self.move)
        return samples

    def _judgement(
        self, of: str, samples: Tensor, labels: Tensor | None, views: int = 1
    ) -> Judgement:
        said = self._call(D, of, samples, labels, views)
        if isinstance(said, Tensor):
            said = Judgement(said.flatten())
        assert isinstance(said, Judgement)
        exact = torch.float64 if self.game.dtype == torch.float64 else torch.float32
        given = {name: part for name, part in said._asdict().items() if part is not None}
        return Judgement(**{name: part.to(exact) for name, part in given.items()})

    def _call(
        self, player: str, of: str, inputs: Tensor, labels: Tensor | None, views: int = 1
    ) -> Tensor | Judgement | Made:
        """A player's forward pass, in its precision and with its layers' noise drawn by key."""
        move, game = self.move, self.game
        for name, layer in game.noisy[player]:
            layer.noise = keyed_noise(
                move.draw(player, name, of), move.batch_size, move.part, views
            )
        if player == D:
            self._iterate_spectral_norms()
        network = game.players[player]
        given: tuple[Tensor | None, ...] = (inputs,)
        if player in game.conditional:
            given = (inputs, labels)
        tells_more = isinstance(network, Discriminator) or has_styles(network)
        whole = {"whole": True} if tells_more else {}
        with move.autocast(player, of):
            if player in self._replaced:
                return functional_call(network, self._replaced[player], given, whole)
            return network(*given, **whole)

    def _iterate_spectral_norms(self) -> None:
        """One power iteration in each move in which the discriminator learns, none in others."""
        first = D in self.move.learning and self.move.begins and not self._judged
        for norm in self.game.spectral_norms:
            norm.training = first
        self._judged = True
