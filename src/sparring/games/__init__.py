"""Which players there are, what a batch holds, and the phases of a step."""

from sparring.games.latent import CHUNK, LatentGame, generate, latent_game, latents_of
from sparring.games.phase import Batch, Game, Judgement, Move, Phase
from sparring.games.walk import walk

GAMES = {"latent": latent_game}

__all__ = [
    "CHUNK",
    "GAMES",
    "Batch",
    "Game",
    "Judgement",
    "LatentGame",
    "Move",
    "Phase",
    "generate",
    "latents_of",
    "walk",
]
