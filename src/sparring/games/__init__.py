"""Which players there are, what a batch holds, and the phases of a step."""

from sparring.games.batch import LatentBatch
from sparring.games.latent import LatentGame, latent_game
from sparring.games.phase import Batch, Game, Move, Phase
from sparring.games.sampling import (
    CHUNK,
    Inputs,
    Prior,
    check_truncation,
    generate,
    latents_of,
    prior_of,
)
from sparring.games.styles import (
    mapped,
    rendered,
    style_generator,
    style_grid,
    style_walk,
)
from sparring.games.walk import walk

GAMES = {"latent": latent_game}

__all__ = [
    "CHUNK",
    "GAMES",
    "Batch",
    "Game",
    "Inputs",
    "LatentBatch",
    "LatentGame",
    "Move",
    "Phase",
    "Prior",
    "check_truncation",
    "generate",
    "latent_game",
    "latents_of",
    "mapped",
    "prior_of",
    "rendered",
    "style_generator",
    "style_grid",
    "style_walk",
    "walk",
]
