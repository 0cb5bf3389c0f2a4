"""Which players there are, what a batch holds, and the phases of a step."""

from collections.abc import Callable

from sparring.games.batch import LatentBatch
from sparring.games.cycle import cyclegan_game
from sparring.games.latent import LatentGame, latent_game
from sparring.games.phase import Batch, Game, Given, Move, Phase
from sparring.games.sampling import (
    CHUNK,
    Inputs,
    Pictures,
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
from sparring.games.super_resolution import srgan_game
from sparring.games.tiles import apply
from sparring.games.translation import pix2pix_game
from sparring.games.walk import arc, walk

GAMES: dict[str, Callable[..., Game]] = {
    "latent": latent_game,
    "cyclegan": cyclegan_game,
    "pix2pix": pix2pix_game,
    "srgan": srgan_game,
}

__all__ = [
    "CHUNK",
    "GAMES",
    "Batch",
    "Game",
    "Given",
    "Inputs",
    "LatentBatch",
    "LatentGame",
    "Move",
    "Phase",
    "Pictures",
    "Prior",
    "apply",
    "arc",
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
