"""Which players there are, what a batch holds, and the phases of a step."""

from sparring.games.batch import LatentBatch
from sparring.games.latent import LatentGame, latent_game
from sparring.games.phase import Batch, Game, Move, Phase
from sparring.games.sampling import CHUNK, Inputs, Prior, generate, latents_of, prior_of
from sparring.games.walk import arc, walk

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
    "arc",
    "generate",
    "latent_game",
    "latents_of",
    "prior_of",
    "walk",
]
