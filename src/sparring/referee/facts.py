"""What is known of a run before it begins, as far as findings need it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from torch import nn

from sparring.data import Dataset
from sparring.games import Game, LatentGame
from sparring.recipe import Recipe, flat
from sparring.recipes import own_rates
from sparring.referee.finding import Finding
from sparring.referee.preflight import HIGH_RATE, preflight

LEFT = 2.0  # times the own rate: what was changed so much may be what is wrong
OF_MEASURING = ("short-run", "fid-of-few", "few-held-out")


@dataclass(frozen=True)
class Facts:
    """A run in numbers and names that can be written down.

    `recipe` is flat: dotted keys and their values. Everything has a default, since nothing is known
    of a run of another program.
    """

    recipe: Mapping[str, Any]
    steps: int = 0
    batch_size: int = 0
    images: bool = True
    shape: tuple[int, ...] = ()
    train_size: int = 0
    held_out_size: int = 0
    classes: int = 0
    conditional: bool = False
    loss: str = ""
    pairing: str = "standard"
    probabilistic: bool = True  # whether the sigmoid of a logit is a probability
    batch_norm: tuple[str, ...] = ()  # the players that have batch normalization
    parameters: int = 0
    equilibrium: Mapping[str, float] | None = None
    # Those of the bundled recipe of this name, by key, where the run has others.
    own_rates: Mapping[str, float] = field(default_factory=dict)
    # What preflight says that training will suffer from: code, advice, keys.
    warned: Sequence[Mapping[str, Any]] = ()

    def json(self) -> dict[str, Any]:
        return asdict(self) | {"recipe": dict(self.recipe)}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Facts:
        known = {one.name for one in fields(cls)}
        given = {key: value for key, value in record.items() if key in known}
        return cls(**({"recipe": {}} | given))

    def rate(self, player: str) -> float | None:
        """A player's learning rate."""
        return self.recipe.get(f"optimizer.{player}.lr")

    def rate_times(self, player: str, factor: float) -> dict[str, Any]:
        """The key of a player's rate with so many times its value, to three digits.

        The recipe's own rate comes first where the run has left it far the other way.
        """
        key, rate = f"optimizer.{player}.lr", self.rate(player)
        if rate is None:
            return {key: None}
        own = self.own_rates.get(key, rate)
        undone = own <= rate / LEFT if factor < 1 else own >= rate * LEFT
        if undone:
            return {key: own}
        most = max(rate, HIGH_RATE)  # no advice leads to what preflight warns of
        return {key: float(f"{min(rate * factor, most):.3g}")}

    def own_said(self, keys: Mapping[str, Any]) -> str:
        """Which of these rates are the recipe's own, as the end of an advice."""
        own = [f"{key}={rate:g}" for key, rate in self.own_rates.items() if keys.get(key) == rate]
        return f" (the recipe's own: {', '.join(own)})" if own else ""

    @property
    def advised(self) -> dict[str, Any]:
        """The keys that preflight would have changed, with their values."""
        return {key: value for one in self.warned for key, value in one["keys"].items()}

    @property
    def penalized(self) -> bool:
        """Whether a penalty bounds the discriminator's slope."""
        return bool(self.recipe.get("penalties")) or self.recipe.get("clip_weights") is not None


def facts_of(recipe: Recipe, dataset: Dataset, game: Game) -> Facts:
    """The facts of a run that is about to begin."""
    normalized = tuple(
        name
        for name, player in game.players.items()
        if any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in player.modules())
    )
    return Facts(
        recipe=dict(flat(recipe.model_dump(mode="json"))),
        steps=recipe.steps,
        batch_size=recipe.batch_size,
        images=dataset.is_images,
        shape=tuple(dataset.shape),
        train_size=len(dataset.splits["train"]),
        held_out_size=len(dataset.splits["select"]),
        classes=len(dataset.classes),
        conditional=bool(game.conditional),
        loss=recipe.loss.name,
        pairing=recipe.loss.pairing,
        probabilistic=isinstance(game, LatentGame) and game.loss.loss.probabilistic,
        batch_norm=normalized,
        parameters=sum(p.numel() for one in game.players.values() for p in one.parameters()),
        equilibrium=game.equilibrium(),
        own_rates=own_rates(recipe),
        warned=warnings_of(preflight(recipe, dataset, game)),
    )


def warnings_of(known: Iterable[Finding]) -> list[dict[str, Any]]:
    """Of what preflight says, what bears on training: not its length, nor how it is measured."""
    return [
        {"code": one.code, "advice": one.advice, "keys": dict(one.keys)}
        for one in known
        if one.severity != "info" and one.code not in OF_MEASURING
    ]
