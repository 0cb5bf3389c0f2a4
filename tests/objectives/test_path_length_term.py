"""The path length penalty against its formula, and its memory."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers import CPU, D, G, a_batch, samples_of, small_game, small_recipe
from sparring.errors import InputError
from sparring.games import LatentGame
from sparring.networks.styles import Made
from sparring.objectives.path_length import DECAY, PathLength, path_lengths
from sparring.objectives.terms import make_terms
from sparring.recipe import Penalty
from sparring.training.state import State
from sparring.training.step import run_step


class Linear(nn.Module):
    """w = 2 z for both layers, images A w_0 + B w_1: the path length is known."""

    layers = 2

    def __init__(self) -> None:
        super().__init__()
        self.mapping, self.synthesis = nn.Identity(), nn.Identity()
        self.two = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))
        self.mean_style = torch.zeros(4)
        draw = torch.Generator().manual_seed(0)
        shape = (2, 2, 4)
        self.maps = nn.Parameter(torch.randn(shape, generator=draw, dtype=torch.float64))

    def forward(self, z: Tensor, labels: Any = None, whole: bool = False) -> Any:
        styles = (self.two * z)[:, None].expand(-1, 2, -1)
        samples = torch.einsum("lij,nlj->ni", self.maps, styles)
        return Made(samples[..., None, None], styles) if whole else samples[..., None, None]


class Judge(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1))[:, 0]


def game_of(generator: nn.Module) -> LatentGame:
    return small_game(generator=generator, discriminator=Judge())


def test_lengths_are_the_root_mean_square_slope_over_layers() -> None:
    generator = Linear()
    batch = a_batch(game_of(generator), G)
    lengths = path_lengths(batch)
    noise = batch.normal("path-length", (2, 1, 1)).flatten(1)  # one pixel
    expected = []
    for y in noise:
        slopes = torch.stack([a.T @ y for a in generator.maps])
        expected.append(slopes.square().sum(1).mean().sqrt())
    torch.testing.assert_close(lengths, torch.stack(expected))


def test_the_penalty_is_the_squared_distance_from_a_mean_that_follows() -> None:
    generator, term = Linear(), PathLength().double()
    game = game_of(generator)
    mean = torch.zeros((), dtype=torch.float64)
    for step in range(3):
        batch = a_batch(game, G, step=step)
        lengths = path_lengths(a_batch(game, G, step=step).first(4)).detach()
        mean = lengths.mean() if step == 0 else mean
        torch.testing.assert_close(term(batch).detach(), (lengths - mean).square())
        mean = mean + DECAY * (lengths.mean() - mean)
        torch.testing.assert_close(term.mean, mean)
    assert term.state_dict().keys() == {"mean"}


def test_its_gradient_is_that_of_the_formula() -> None:
    generator, term = Linear(), PathLength().double()
    game = game_of(generator)
    batch = a_batch(game, G)
    half = batch.first(4)
    term.mean.fill_(0.3)
    (found,) = torch.autograd.grad(term(batch).mean(), generator.maps)
    y = half.normal("path-length", (2, 1, 1)).flatten(1)
    maps = generator.maps.detach().clone().requires_grad_()
    lengths = torch.einsum("lij,ni->nlj", maps, y).square().sum(2).mean(1).sqrt()
    (expected,) = torch.autograd.grad((lengths - 0.3).square().mean(), maps)
    torch.testing.assert_close(found, expected)


def test_parts_of_a_batch_leave_the_mean_that_the_whole_leaves() -> None:
    game = game_of(Linear())
    whole, parts = PathLength().double(), PathLength().double()
    for term in (whole, parts):
        term.mean.fill_(0.5)
    # The first halves of the parts are other samples than the first half of the whole.
    values = [parts(a_batch(game, G, part=part)) for part in (slice(0, 4), slice(4, 8))]
    looked = [path_lengths(a_batch(game, G, part=slice(at, at + 2))).detach() for at in (0, 4)]
    lengths = torch.cat(looked)
    torch.testing.assert_close(torch.cat(values).detach(), (lengths - 0.5).square())
    torch.testing.assert_close(parts.mean, 0.5 + DECAY * (lengths.mean() - 0.5))


def test_it_holds_the_lengths_together_when_it_is_trained_on() -> None:
    chosen = {"name": "path-length", "weight": 0.1, "every": 2, "apart": True}
    recipe = small_recipe(terms=[chosen], optimizer={G: {"lr": 0.02}, D: {}})
    generator = Linear()
    players = {G: generator, D: Judge()}
    (term,) = make_terms(recipe, players)[G]
    assert term.apart
    assert not term.reads_real
    assert isinstance(term.fn, PathLength)
    term.fn.double()
    values = torch.rand(40, 2, 1, 1).mul(255).to(torch.uint8)
    game = small_game(
        recipe,
        generator=generator,
        discriminator=players[D],
        terms=[replace(term, weight=1.0)],
        dataset=samples_of(values),
    )
    state = State(game, recipe, CPU)
    for _ in range(4):
        run_step(state)
    assert term.fn.mean > 0
    kept = state.statistics.stacked()
    assert kept["loss/generator/path-length"].shape == (2,)


def test_a_generator_without_styles_is_refused() -> None:
    recipe = small_recipe(terms=[Penalty(name="path-length").model_dump()])
    players = {G: nn.Linear(4, 2), D: nn.Linear(2, 1)}
    with pytest.raises(InputError, match="needs a generator with styles"):
        make_terms(recipe, players)
    with pytest.raises(InputError, match="has no styles"):
        _ = a_batch(small_game(), G).styles
