"""CycleGAN: two domains without pairs, translated to and fro (Zhu et al., 2017)."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from sparring import ranks
from sparring.data import Dataset, Sampler
from sparring.games.batch import G, LatentBatch
from sparring.games.phase import Batch, Given, Move, Phase
from sparring.games.sampling import Pictures, generate
from sparring.games.translation import ROWS, ImageGame, Own, Parts, build_parts, check_inputs
from sparring.networks.layers import uses_batch_statistics
from sparring.networks.styles import Made
from sparring.randomness import seed_of
from sparring.recipe import Recipe

BACK = "_back"  # of the names of all that belongs to the way from B to A


class ImageBuffer(nn.Module):
    """Images that a generator made earlier: a discriminator that sees them too forgets less.

    It fills first; then each new image is shown or, with probability ½, put in the place of an
    earlier one that is shown instead (Shrivastava et al., 2017; Zhu et al., 2017).
    """

    images: Tensor

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *shape))

    def exchange(self, made: Tensor, before: int, draw: torch.Generator) -> Tensor:
        """What is shown in place of images [n, ...] of which `before` came earlier in this run.

        How full it is follows from `before`, so that it need not be read from the device.
        """
        size = len(self.images)
        filling = min(max(size - before, 0), len(made))
        self.images[before : before + filling] = made[:filling].to(self.images.dtype)
        rest = made[filling : filling + size]
        places = torch.randperm(size, generator=draw)[: len(rest)]
        swapped = (torch.rand(len(rest), generator=draw) < 0.5).view(-1, 1, 1, 1)
        places, swapped = places.to(made.device), swapped.to(made.device)
        earlier = self.images[places]
        self.images[places] = torch.where(swapped, rest.to(earlier.dtype), earlier)
        shown = torch.where(swapped, earlier.to(made.dtype), rest)
        return torch.cat([made[:filling], shown, made[filling + size :]])


class UnpairedBatch(LatentBatch):
    """Images of one domain, those of the other, what becomes of them, and of that on the way back.

    `other` is the same move seen from the other domain.
    """

    game: Direction
    other: UnpairedBatch
    has_way_back = True
    of_generator = (*LatentBatch.of_generator, "_made_at_once", "cycled", "kept")

    @cached_property
    def inputs(self) -> Tensor:
        """Images [n, ...] of the domain that is translated."""
        return self.other.real.detach()

    @cached_property
    def z(self) -> Tensor:
        """What the generator is given."""
        return self.inputs

    @cached_property
    def fake(self) -> Tensor:
        """Translations; where the discriminator learns, earlier ones among them."""
        made, move, game = super().fake, self.move, self.game
        if G in move.learning or len(game.buffer.images) == 0:
            return made
        # All processes keep the same buffer, of what all of them made.
        start = (move.part.start - move.first) * ranks.count()
        before = (move.step * game.repeats + move.repeat) * move.batch_size + start
        everyones = ranks.whole(made.detach())
        fake = ranks.part_of(game.buffer.exchange(everyones, before, move.draw("buffer", start)))
        return fake.requires_grad_() if "fake" in move.differentiates else fake

    @cached_property
    def _made(self) -> Tensor | Made:
        return self._made_at_once[0] if self._makes_both_at_once else super()._made

    @cached_property
    def _made_at_once(self) -> tuple[Tensor, Tensor]:
        """Translations, and what is made of images that are there already, in one pass."""
        images = torch.cat([self.inputs, self.real.detach()])
        fake, kept = self._translated("both", images, views=2).chunk(2)
        return fake, kept

    @property
    def _makes_both_at_once(self) -> bool:
        """Quicker, and the same without batch statistics."""
        return G in self.move.learning and self.game.keeps

    @cached_property
    def cycled(self) -> Tensor:
        """The inputs there and back."""
        return self.other._translated("cycle", self.fake)

    @cached_property
    def kept(self) -> Tensor:
        """What the generator makes of images that are in its target domain already."""
        if self._makes_both_at_once:
            return self._made_at_once[1]
        return self._translated("identity", self.real.detach())

    def _translated(self, of: str, images: Tensor, views: int = 1) -> Tensor:
        made = self._call(G, of, images, None, views)
        assert isinstance(made, Tensor)
        return made.to(self.game.dtype)

    def statistics(self) -> dict[str, Tensor]:
        own = super().statistics()
        back = LatentBatch.statistics(self.other)
        return own | {key.replace("/", f"{BACK}/", 1): value for key, value in back.items()}


class Direction(ImageGame):
    """One of both ways: a generator, and the discriminator of the domain that it leads to."""

    def __init__(
        self, recipe: Recipe, dataset: Dataset, parts: Parts, device: torch.device, way: str
    ) -> None:
        super().__init__(recipe, dataset, parts, device)
        # Each domain in an order of its own: images of one place in both are not to meet.
        self.sampler = Sampler(dataset.splits["train"], seed_of(recipe.seed, "domain" + way))
        self.buffer = ImageBuffer(recipe.buffer, dataset.shape).to(device, self.dtype)
        self.repeats = recipe.repeats.discriminator
        # Whether a move of the generator looks at what becomes of images of its own domain too.
        assert dataset.source is not None
        always = any(term.name == "identity" and term.every == 1 for term in recipe.terms)
        alike = dataset.source.shape == dataset.shape
        self.keeps = always and alike and not uses_batch_statistics(self.players[G])


class CycleGame:
    """Two directions that are played at once: each phase moves the players of both."""

    averaged: tuple[str, ...] = (G, G + BACK)
    conditional: frozenset[str] = frozenset()

    def __init__(self, there: Direction, back: Direction) -> None:
        self.there, self.back = there, back
        self.players = there.players | {
            name + BACK: player for name, player in back.players.items()
        }
        self.memories: Mapping[str, nn.Module] = {
            **there.memories,
            **{name + BACK: memory for name, memory in back.memories.items()},
            "buffer": there.buffer,
            "buffer" + BACK: back.buffer,
        }
        self.phases = [_both(*pair) for pair in zip(there.phases, back.phases, strict=True)]

    def batch(self, move: Move) -> Batch:
        there = UnpairedBatch(self.there, move)
        # Its own draws: both directions' noise is not to be the same.
        there.other = UnpairedBatch(self.back, replace(move, phase=move.phase + BACK))
        # Graphs are to be freed with the move, and would not be if both held each other.
        there.other.other = weakref.proxy(there)
        return there

    def before_step(self, samples_seen: int) -> None:
        """Nothing grows in this game."""

    def equilibrium(self) -> dict[str, float]:
        return self.there.equilibrium()

    def watch(self, kept: Mapping[str, Tensor]) -> dict[str, float]:
        """The figures of both discriminators."""
        of_back = {key.replace(f"{BACK}/", "/", 1): kept[key] for key in kept if f"{BACK}/" in key}
        back = self.back.watch(of_back)
        return self.there.watch(kept) | {key + BACK: value for key, value in back.items()}

    def makes(self, player: str) -> Dataset:
        return self._way(player).dataset

    def given(self, player: str, split: str) -> Given:
        return self._way(player).given(player, split)

    def snapshot(self, averages: Mapping[str, nn.Module]) -> list[Tensor]:
        """Held-out inputs, what is made of them, and that translated back."""
        inputs = Pictures(self.there.dataset, "select").of(range(ROWS))
        made = generate(averages[G], inputs, images=True)
        return [inputs.z, made, generate(averages[G + BACK], made, images=True)]

    def examples(self, player: str, count: int) -> Tensor:
        return self._way(player).examples(player.removesuffix(BACK), count)

    def _way(self, player: str) -> Direction:
        return self.back if player.endswith(BACK) else self.there


class _OfOther(nn.Module):
    """A term of the way back, which sees the batch from there; what it remembers stays its own."""

    def __init__(self, fn: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, batch: Any) -> Tensor:
        return self.fn(batch.other)


def _both(there: Phase, back: Phase) -> Phase:
    """Both directions' phases of a player as one move of two players."""

    def after() -> None:
        there.after()
        back.after()

    return replace(
        there,
        players=(*there.players, *(name + BACK for name in back.players)),
        terms=[
            *there.terms,
            *(replace(t, name=t.name + BACK, fn=_OfOther(t.fn)) for t in back.terms),
        ],
        after=after,
    )


def cyclegan_game(
    recipe: Recipe,
    dataset: Dataset,
    device: torch.device,
    *own: Any,
) -> CycleGame:
    """The game between domains A and B: A's images are `dataset.source`, B's `dataset`."""
    check_inputs(recipe, dataset, paired=False)
    ways = []
    for way, of in (("", dataset), (BACK, dataset.turned)):
        parts = build_parts(recipe, of, device, of.shape, Own(*own), way)
        ways.append(Direction(recipe, of, parts, device, way))
    return CycleGame(*ways)
