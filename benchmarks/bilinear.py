"""Historical averaging on the smallest game that cycles: min over x, max over y of x y.

    python -m benchmarks.bilinear [--quick]

Two players of one number each go through the same loop as every GAN. Plain gradient steps spiral
away from the equilibrium (0, 0); each player's pull towards the mean of its past ends that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from benchmarks import common
from sparring.games import Move, Phase
from sparring.objectives import Term
from sparring.objectives.terms import historical_averaging
from sparring.recipe import Optimizer, Recipe
from sparring.report import look
from sparring.training.loop import train
from sparring.training.state import State

RATE, STEPS, START = 0.05, 2000, (1.0, 0.5)
WEIGHTS = (0.0, 0.05, 0.2)
G, D = "generator", "discriminator"

Result = dict[str, Any]


class Number(nn.Module):
    """A player of one number."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor([start]))


@dataclass
class BilinearBatch:
    """What a move sees: both numbers."""

    game: BilinearGame
    move: Move

    def value(self, of: str) -> Tensor:
        players = self.game.players
        x, y = players[G].value, players[D].value
        return x * y if of == G else -x * y

    def statistics(self) -> Mapping[str, Tensor]:
        return {}


@dataclass
class BilinearGame:
    """The generator has x and wants x y small, the discriminator has y and wants it large."""

    players: dict[str, nn.Module]
    phases: list[Phase] = field(default_factory=list)
    averaged: tuple[str, ...] = (G,)
    memories: dict[str, nn.Module] = field(default_factory=dict)
    path: list[tuple[float, float]] = field(default_factory=list)

    def batch(self, move: Move) -> BilinearBatch:
        return BilinearBatch(self, move)

    def sample(self, network: nn.Module, seeds: range) -> Tensor:
        return network.value.expand(len(seeds))

    def before_step(self, samples_seen: int) -> None:
        self.path.append((self.players[G].value.item(), self.players[D].value.item()))

    def watch(self, kept: Mapping[str, Tensor]) -> dict[str, float]:
        return {}

    def equilibrium(self) -> dict[str, float]:
        return {f"loss/{D}": 0.0, f"loss/{G}": 0.0}


def game_with(weight: float) -> BilinearGame:
    """The game with historical averaging of this weight for both players."""
    players: dict[str, nn.Module] = {D: Number(START[1]), G: Number(START[0])}
    game = BilinearGame(players)
    pulls = historical_averaging(players, weight, every=1) if weight else {}
    for name in (D, G):
        terms = [Term("value", lambda batch, name=name: batch.value(name), reads_real=False)]
        terms += [pulls[name]] if weight else []
        game.phases.append(Phase(name, (name,), Optimizer(name="sgd", lr=RATE), terms))
    return game


def path_of(weight: float, steps: int) -> Tensor:
    """The points (x, y) of a run [steps, 2]."""
    game = game_with(weight)
    fp32 = {"generator": "fp32", "discriminator": "fp32"}
    recipe = Recipe.model_validate({"steps": steps, "batch_size": 1, "precision": fp32})
    train(State(game, recipe, torch.device("cpu")), [])
    return torch.tensor(game.path)


def main() -> None:
    quick = common.arguments(__doc__).parse_args().quick
    steps = 200 if quick else STEPS
    paths = {weight: path_of(weight, steps) for weight in WEIGHTS}
    rows = []
    for weight, path in paths.items():
        distance = path.norm(dim=1)
        rows.append(
            {
                "weight": weight,
                "start": round(distance[0].item(), 3),
                "halfway": round(distance[steps // 2].item(), 4),
                "end": round(distance[-1].item(), 4),
                "outcome": "converges" if distance[-1] < 0.1 * distance[0] else "cycles",
            }
        )
    result = {
        "settings": {"rate": RATE, "steps": steps, "start": START, "distance": "to (0, 0)"},
        "runs": rows,
        "picture": picture(paths, quick),
        "machine": common.machine(),
    }
    print(common.table(rows))
    print(common.save_result("bilinear", result, quick))


def picture(paths: dict[float, Tensor], quick: bool) -> str:
    """The paths of both players in the plane."""
    figure = Figure(figsize=(9.0, 3.2), layout="constrained", facecolor="white")
    for place, (weight, path) in enumerate(paths.items()):
        axes = figure.add_subplot(1, len(paths), place + 1)
        axes.plot(*path.T.numpy(), color=look.BLUE, linewidth=0.8)
        axes.plot(*path[0].numpy(), "o", color=look.ORANGE)
        axes.plot(0, 0, "+", color="black", markersize=10)
        axes.set_title("plain" if weight == 0 else f"averaging, weight {weight:g}")
        axes.set(xlabel="x (generator)", ylabel="y (discriminator)", aspect="equal")
    folder = common.QUICK if quick else common.IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bilinear.png"
    figure.savefig(path, dpi=110)
    return path.relative_to(common.ROOT.parent).as_posix()


if __name__ == "__main__":
    main()
