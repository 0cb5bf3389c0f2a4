"""The path length over the steps of a run: `python -m benchmarks.stylegan2 --only path-length`."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from torch import Tensor

from benchmarks import common, drawing
from benchmarks.drawing import look
from sparring.data import open_data
from sparring.games import Move
from sparring.games.latent import latent_game
from sparring.networks.layers import at_rest
from sparring.objectives.path_length import path_lengths
from sparring.recipes import load_recipe
from sparring.training.state import State
from sparring.training.step import run_step

G = "generator"
LOOK_EVERY, LOOKED_AT, LOOKS_UNTIL = 50, 64, 3000
STRONG, NEAR = 100.0, 0.1  # a weight of the path length; a distance from its goal
COLORS = (look.FAKE, look.GREEN, look.INK)

Result = dict[str, Any]


def path_length(quick: bool) -> Result:
    """Lengths over the steps: the weight as published, a strong one, none."""
    steps = 100 if quick else LOOKS_UNTIL
    (kept,) = [one for one in load_recipe("stylegan2").terms if one.name == "path-length"]
    over_time = {}
    for weight in (kept.weight, STRONG, 0.0):
        terms = [kept.model_dump() | {"weight": weight}] if weight else []
        over_time[f"weight {weight:g}"] = lengths_over_time({"steps": steps, "terms": terms})
    away = {name: rows[-1]["away"] for name, rows in over_time.items() if "away" in rows[-1]}
    return {
        "settings": {"recipe": "stylegan2", "term": kept.model_dump(), "steps": steps},
        "goals": [
            common.goal(f"{name}: distance from the goal, over the goal", value, NEAR, False)
            for name, value in away.items()
        ],
        "end": [{"term": name} | rows[-1] for name, rows in over_time.items()],
        "over_time": over_time,
        "outcome": "Path lengths, and the goal that follows them.",
        "picture": lengths_picture(over_time, quick),
    }


def lengths_over_time(overrides: Result) -> list[Result]:
    recipe = load_recipe("stylegan2", overrides)
    game = latent_game(recipe, open_data(recipe.data), common.CPU)
    state = State(game, recipe, common.CPU)
    terms = [term for phase in game.phases for term in phase.terms if term.name == "path-length"]
    rows = []
    while state.step < recipe.steps:
        run_step(state)
        state.statistics.clear()
        if state.step % LOOK_EVERY == 0:
            lengths = lengths_of(game)
            mean, spread = lengths.mean().item(), lengths.std().item()
            goal = float(terms[0].fn.get_buffer("mean")) if terms else None
            row = {"step": state.step, "length": round(mean, 5), "spread": round(spread / mean, 4)}
            if goal is not None:
                row |= {"goal": round(goal, 5), "away": round(abs(mean - goal) / goal, 4)}
            rows.append(row)
    return rows


def lengths_of(game: Any) -> Tensor:
    """Path lengths of the same latents each time, of the generator at rest."""
    move = Move(
        seed=0,
        step=0,
        samples_seen=0,
        phase="look",
        repeat=0,
        position=0,
        batch_size=LOOKED_AT,
        part=slice(0, LOOKED_AT),
        learning=frozenset({G}),
        differentiates=frozenset({"styles"}),
        autocast=lambda player, of: nullcontext(),
    )
    with at_rest(game.players[G]):
        return path_lengths(game.batch(move)).detach()


def lengths_picture(over_time: dict[str, list[Result]], quick: bool) -> str:
    figure, axes = drawing.sheet(
        "The path length, and the goal that follows it",
        "how far images move for a step of w; digits, recipe stylegan2",
        ("Mean length, and its goal (dashed)", "Spread over samples / mean"),
    )
    ends: list[list[Any]] = [[], []]
    for (name, rows), color in zip(over_time.items(), COLORS, strict=True):
        steps = [row["step"] for row in rows]
        for one, key, end in zip(axes, ("length", "spread"), ends, strict=True):
            one.plot(steps, [row[key] for row in rows], color=color, linewidth=1.6)
            end.append((name, color, rows[-1][key]))
        if "goal" in rows[0]:
            axes[0].plot(steps, [row["goal"] for row in rows], color=color, linewidth=1.2, ls="--")
    for one, end in zip(axes, ends, strict=True):
        one.set_ylim(bottom=0)
        drawing.name_ends(one, end)
        drawing.across(one, "steps")
    return drawing.save(figure, "stylegan2-lengths", quick)
