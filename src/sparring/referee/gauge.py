"""Takes the looks: when they are due, and what they look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sparring.data import Dataset, to_samples
from sparring.games import Inputs, LatentGame
from sparring.games.batch import D, G
from sparring.games.sampling import in_batches
from sparring.networks.layers import at_rest
from sparring.recipe import Recipe
from sparring.referee import measures, probe
from sparring.referee.look import Look
from sparring.referee.nonfinite import Nonfinite
from sparring.referee.space import Space
from sparring.training.loop import Tick
from sparring.training.state import State

OF_IMAGES, OF_VECTORS = 128, 512  # samples of each side; vectors cost nothing
OF_JUDGE = 128  # samples of each side that the discriminator is asked about
FEWEST = 16  # looks at the shortest of runs, besides those of its beginning
EARLY = 4  # intervals in the first of which there are twice as many
MOST_WEIGHTS = 2**16  # of each player that are remembered from look to look
MADE = "referee/made"
FIRST_SEED = 2**50  # of the latents looked at: no snapshot or score has these


class Gauge:
    """Looks at a state: everything that findings are made of, from the same latents each time.

    What a look compares with the one before is remembered in the state, so that a resumed run sees
    what an uninterrupted one does.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.count = OF_IMAGES if dataset.is_images else OF_VECTORS
        self._space: Space | None = None
        self._inputs: Inputs | None = None
        self._level: Any = None  # of players that grow

    def look(self, tick: Tick, state: State, nonfinite: Nonfinite | None = None) -> Look:
        """The figures of this moment."""
        found: dict[str, Any] = {
            "losses": _of_phases(tick.values, "loss"),
            "grad_norms": _of_phases(tick.values, "grad_norm"),
        }
        game = state.game
        if nonfinite is not None:
            found["nonfinite"] = nonfinite
        else:
            found["updates"] = probe.updates(state)
            found["travel"] = self._travel(state)
            # Of a game that translates images only the above is known: it has no latents.
            if isinstance(game, LatentGame) and game.given(G, "select") is game.prior:
                found |= self._of_game(state, game)
        return Look(tick.step, tick.samples_seen, **found)

    @torch.no_grad()
    def _travel(self, state: State) -> dict[str, float]:
        """How far each player's weights are from where they were a look ago, over their norm.

        By a part of the weights: the state remembers them, and so does its checkpoint.
        """
        found = {}
        for name, parameters in state.parameters.items():
            flat = torch.cat([one.detach().flatten()[:: _stride(parameters)] for one in parameters])
            before = state.remembered.get(f"referee/weights/{name}")
            if before is not None and before.shape == flat.shape:
                found[name] = float((flat - before).norm() / flat.norm().clamp(min=1e-12))
            state.remembered[f"referee/weights/{name}"] = flat
        return found

    def _of_game(self, state: State, game: LatentGame) -> dict[str, Any]:
        space = self._space_of(game)
        if self._inputs is None:
            self._inputs = game.prior.of(range(FIRST_SEED, FIRST_SEED + self.count))
        generator, average = game.players[G], state.ema[G].module
        with at_rest(generator), probe.units_watched(generator) as alive:
            made = self._made(state, generator)
        found: dict[str, Any] = {}
        if alive:
            found["dead_units"] = 1 - probe.share(torch.cat(list(alive.values())))
        if self.dataset.is_images:
            found["saturated"] = probe.share(made.abs() >= probe.BOUND)
            found["saturated_real"] = probe.share((space.samples == 0) | (space.samples == 255))
            real = space.samples[:16].float() / 127.5 - 1
        else:
            real = space.samples
        found["limits"], found["limits_real"] = space.limits(made), space.limits(real)
        found |= self._of_samples(state, space, made, self._made(state, average))
        found |= self._of_judge(state, game, space, made)
        return found | probe.gradients(state, game)

    def _made(self, state: State, network: nn.Module) -> Tensor:
        """What a generator makes of the latents that are looked at, on the CPU."""
        assert self._inputs is not None
        z, labels = self._inputs
        with state.contexts.usual(G):
            return in_batches(network, network, z, labels).float().cpu()

    def _of_samples(
        self, state: State, space: Space, made: Tensor, averaged: Tensor
    ) -> dict[str, Any]:
        images = self.dataset.is_images
        samples, of_average = to_samples(made, images), to_samples(averaged, images)
        features, average_features = space.features(samples), space.features(of_average)
        found: dict[str, Any] = dict(space.figures(samples, features))
        own = measures.spread(average_features)
        found["distance_average"] = space.distance(average_features, own)
        found["diversity_average"] = own / space.spread
        found["shares"], found["entropy"] = space.histogram(samples, features)
        found["shares_real"] = space.shares.tolist()
        found["two_sample"], found["two_sample_error"] = measures.nearest_neighbours(
            space.real, average_features
        )
        before = state.remembered.get(MADE)
        if before is not None and before.shape == features.shape:
            step = torch.linalg.vector_norm(features - before.to(features.device), dim=1).mean()
            found["moved"] = float(step) / space.spread
        state.remembered[MADE] = features
        if images:
            found["copies"] = space.copies(of_average[:64])
        assert self._inputs is not None
        if self._inputs.labels is not None and space.labels is not None:
            found["agreement"] = space.agreement(average_features, self._inputs.labels)
            found["agreement_real"] = space.agreement_of_real
        return found

    def _of_judge(
        self, state: State, game: LatentGame, space: Space, made: Tensor
    ) -> dict[str, Any]:
        train = self.dataset.splits["train"]
        rows = train[torch.linspace(0, len(train) - 1, min(OF_JUDGE, len(train))).long()]
        sides = {
            "real": probe.as_networks_see(game, self.dataset.rows(rows)),
            "held_out": probe.as_networks_see(game, space.samples[:OF_JUDGE]),
            "fake": made[:OF_JUDGE].to(game.device, game.dtype),
        }
        labels: dict[str, Tensor | None] = dict.fromkeys(sides)
        if D in game.conditional:
            assert self.dataset.labels is not None
            assert self._inputs is not None
            known = {
                "real": self.dataset.labels[rows],
                "held_out": self.dataset.labels[space.rows[:OF_JUDGE]],
                "fake": self._inputs.labels[:OF_JUDGE],  # type: ignore[index]
            }
            labels = {side: one.to(game.device) for side, one in known.items()}
        return probe.judged(state, game, sides, labels)

    def _space_of(self, game: LatentGame) -> Space:
        """The space to compare in, at the detail that a growing generator is at."""
        if self._space is None:
            self._space = Space(self.dataset)
        if game.growing:
            level = [(one.level, one.alpha) for one in game.growing]
            if level != self._level:
                self._level = level
                original = self.dataset.rows(self._space.rows)
                self._space.grown_to(to_samples(probe.as_networks_see(game, original), True))
        return self._space


def scheduled(step: int, recipe: Recipe) -> int:
    """How many looks are due by a step: evenly spaced, twice as many in the first four intervals.

    Counted in samples seen, never in seconds.
    """
    total = recipe.steps * recipe.batch_size
    each = max(1.0, min(total / FEWEST, recipe.referee.samples_each))
    intervals = step * recipe.batch_size / each
    return int(min(intervals, EARLY) * 2 + max(intervals - EARLY, 0))


def is_due(tick: Tick, recipe: Recipe) -> bool:
    """Whether there is to be a look at a tick; always at the last one."""
    before = max(tick.step - recipe.tick, 0)
    return tick.is_last or scheduled(tick.step, recipe) > scheduled(before, recipe)


def _of_phases(values: dict[str, float], group: str) -> dict[str, float]:
    prefix = f"{group}/"
    return {
        key.removeprefix(prefix): value
        for key, value in values.items()
        if key.startswith(prefix) and "/" not in key.removeprefix(prefix)
    }


def _stride(parameters: Sequence[Tensor]) -> int:
    """Every so many weights are about MOST_WEIGHTS of them."""
    return max(1, sum(one.numel() for one in parameters) // MOST_WEIGHTS)
