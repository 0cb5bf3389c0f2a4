"""What the training step walks through: phases of players, each a list of terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from sparring.data import Dataset
from sparring.games.sampling import Inputs
from sparring.objectives import Term
from sparring.randomness import keyed
from sparring.recipe import Optimizer


@dataclass(frozen=True)
class Phase:
    """One player's move: `players` learn by `optimizer` from `terms`; everyone else is frozen.

    `repeats` moves a step, each with its own draws; `every=k` moves each k-th step.
    `active(samples_seen)` switches the phase on and off, and `after()` runs when the weights have
    changed (weight clipping and the like). `shares` names the phase of the same players by whose
    optimizer this one moves; it looks at that one's real samples again, with draws of its own.
    """

    name: str
    players: tuple[str, ...]
    optimizer: Optimizer
    terms: list[Term]
    repeats: int = 1
    every: int = 1
    active: Callable[[int], bool] = lambda samples_seen: True
    after: Callable[[], None] = lambda: None
    shares: str | None = None

    @property
    def reads_real(self) -> bool:
        """Whether its moves take further real samples from the order of the data."""
        return self.shares is None and any(term.reads_real for term in self.terms)


def with_apart(phase: Phase) -> list[Phase]:
    """A phase, and after it one that shares its optimizer for each term that stands apart."""
    together = [term for term in phase.terms if not term.apart]
    others = [term for term in phase.terms if term.apart]
    return [
        replace(phase, terms=together),
        *(
            replace(
                phase,
                name=f"{phase.name}/{term.name}",
                terms=[term],
                repeats=1,
                every=term.every,
                shares=phase.name,
            )
            for term in others
        ),
    ]


@dataclass(frozen=True)
class Move:
    """One move of a run: everything its batch depends on, and nothing else.

    `position` is the place of its first real sample in the endless order of the data, `part` the
    slice of the global batch that is looked at (micro-batches, ranks), `first` where this process's
    share of the batch begins.
    """

    seed: int
    step: int
    samples_seen: int
    phase: str
    repeat: int
    position: int
    batch_size: int
    part: slice
    learning: frozenset[str]
    differentiates: frozenset[str]
    autocast: Callable[[str, str], AbstractContextManager[Any]]  # by player and what it looks at
    first: int = 0

    @property
    def begins(self) -> bool:
        """Whether this part is the first one that this process looks at."""
        return self.part.start == self.first

    def draw(self, *name: str | int) -> torch.Generator:
        """The generator of a named random draw of this move."""
        return keyed(self.seed, self.step, self.phase, self.repeat, *name)


class Batch(Protocol):
    """What a move looks at; the terms of a game know its fields."""

    def statistics(self) -> Mapping[str, Tensor]:
        """Detached tensors [n] worth watching, e.g. `logits/real`."""


class Given(Protocol):
    """Where the inputs of a generator come from."""

    def of(self, seeds: range) -> Inputs:
        """The inputs of sample seeds, each of its own seed."""

    def wanted(self, seeds: range) -> Tensor | None:
        """What should become of them, as in the data set, where that is known."""


class Game(Protocol):
    """Players and phases: all that the step and the loop know of a GAN.

    `averaged` names the players that are averaged (EMA), sampled, scored and shipped, the first
    being the one that chooses the best checkpoint; `memories` what else of a game must be in a
    checkpoint, beside the terms that remember something.
    """

    players: dict[str, nn.Module]
    phases: list[Phase]
    averaged: tuple[str, ...]
    memories: Mapping[str, nn.Module]

    @property
    def conditional(self) -> Set[str]:
        """The players that are given the labels of samples."""

    def batch(self, move: Move) -> Batch:
        """The batch of a move; it computes things on first use."""

    def before_step(self, samples_seen: int) -> None:
        """Called before each step: growth, fade-in."""

    def watch(self, kept: Mapping[str, Tensor]) -> dict[str, float]:
        """The figures of the history that statistics kept over a tick, [steps, n], amount to."""

    def equilibrium(self) -> dict[str, float]:
        """The losses at which no player can improve, where they are known."""

    def makes(self, player: str) -> Dataset:
        """The data set whose like an averaged player makes."""

    def given(self, player: str, split: str) -> Given:
        """Where the inputs of an averaged player come from when it is scored on a split."""

    def snapshot(self, averages: Mapping[str, nn.Module]) -> list[Tensor]:
        """What a snapshot shows: samples, or columns of images that belong to each other."""

    def examples(self, player: str, count: int) -> Tensor:
        """What a player may be called with first of all, to see what it makes of it."""
