"""Everything a run needs to go on: players, averages, optimizers, counters."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparring import ranks
from sparring.errors import InputError
from sparring.games import Game
from sparring.networks.layers import uses_batch_statistics
from sparring.randomness import seed_of
from sparring.recipe import Recipe
from sparring.training.ema import EMA
from sparring.training.optim import make_optimizers, share
from sparring.training.precision import Contexts
from sparring.training.statistics import Statistics


class State:
    """The state of training: what a step changes and a checkpoint holds.

    `warnings` are things the user should know before the first step.
    """

    def __init__(self, game: Game, recipe: Recipe, device: torch.device) -> None:
        self.game = game
        self.recipe = recipe
        _check_names(game)
        self.parameters = {name: list(p.parameters()) for name, p in game.players.items()}
        self.optimizers = make_optimizers(game.phases, game.players)
        self.shares = {phase.name: share(phase, game.phases) for phase in game.phases}
        self.ema = {name: EMA(game.players[name], recipe.ema) for name in game.averaged}
        self.statistics = Statistics()
        # What observers want to know again when a run is resumed: a checkpoint holds it.
        self.remembered: dict[str, Tensor] = {}
        self.step = 0
        self.contexts = Contexts(recipe.precision, device)
        self.reals_per_step = sum(phase.repeats for phase in game.phases if phase.reads_real)
        ranks.even_share(recipe.batch_size, "batch_size")
        self.parts = _parts(recipe)
        self._check_smallest_batch()
        self.warnings = self._check_micro_batches()

    @property
    def samples_seen(self) -> int:
        """Steps done times the batch size: the unit of progress."""
        return self.step * self.recipe.batch_size

    @property
    def seed(self) -> int:
        """What all draws of moves are keyed by: another one after a rescue has redrawn them."""
        seed, redrawn = self.recipe.seed, self.recipe.redrawn
        return seed_of(seed, "redrawn", redrawn) if redrawn else seed

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0 to 1."""
        return self.step / self.recipe.steps

    def _check_smallest_batch(self) -> None:
        """Refuse batches of one sample where a network takes their variance."""
        smallest = min(part.stop - part.start for part in self.parts)
        for name, player in self.game.players.items():
            shared = ranks.count() if self.recipe.sync_batch_statistics else 1
            alone = smallest * shared == 1
            if alone and any(isinstance(m, nn.BatchNorm1d) for m in player.modules()):
                raise InputError(
                    f"{name}: batch normalization cannot learn from a batch of 1",
                    "choose batch_size and micro_batch so that 2 or more samples go together",
                )

    def _check_micro_batches(self) -> list[str]:
        """Refuse micro-batches where a term couples samples; warn where a network does."""
        if len(self.parts) == 1:
            return []
        for phase in self.game.phases:
            for term in phase.terms:
                if term.couples_batch:
                    raise InputError(
                        f"micro_batch={self.recipe.micro_batch}: term `{term.name}` of phase "
                        f"`{phase.name}` compares the samples of a batch with each other",
                        "leave micro_batch out, or choose a loss that looks at samples one by one",
                    )
        return [
            f"{name}: batch statistics are taken over micro-batches of "
            f"{self.recipe.micro_batch}, not over the batch of {self.recipe.batch_size}"
            for name, player in self.game.players.items()
            if uses_batch_statistics(player)
        ]


def _check_names(game: Game) -> None:
    """Refuse two terms of one name in a phase: history and checkpoints know them by it."""
    for phase in game.phases:
        own = [one for one in game.phases if phase.name in (one.name, one.shares)]
        names = [term.name for one in own for term in one.terms]
        for name in names:
            if names.count(name) > 1:
                raise InputError(
                    f"phase `{phase.name}` has two terms called `{name}`",
                    "leave one out, or give it another name",
                )


def _parts(recipe: Recipe) -> list[slice]:
    """The micro-batches of this process's share of a batch."""
    own = ranks.own(recipe.batch_size)
    size = min(recipe.micro_batch or recipe.batch_size, own.stop - own.start)
    starts = range(own.start, own.stop, size)
    return [slice(start, min(start + size, own.stop)) for start in starts]
