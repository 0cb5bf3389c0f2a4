"""Penalties against closed forms, and their own gradients against finite differences."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers import D, a_batch, small_game, small_recipe, small_state
from sparring.errors import InputError
from sparring.games.latent import LatentBatch, LatentGame
from sparring.networks.discriminator import Discriminator, Judgement
from sparring.networks.layers import seeded
from sparring.networks.mlp import MLPDiscriminator, MLPGenerator
from sparring.objectives import PENALTIES, Term
from sparring.objectives.augment import InstanceNoise
from sparring.objectives.penalties import squared_gradient_norm
from sparring.recipe import Schedule

SLOPE = [3.0, -4.0]
CURVATURE = [[2.0, 0.5], [-1.0, 3.0]]
# Which samples each penalty looks at.
SIDES = [("r1", "real"), ("r2", "fake")]


class Quadratic(nn.Module):
    """D(x) = x·C x / 2 + w·x + 1, whose gradient is (C + Cᵀ) x / 2 + w."""

    def __init__(self, curvature: list[list[float]]) -> None:
        super().__init__()
        self.curvature = nn.Parameter(torch.tensor(curvature))
        self.slope = nn.Parameter(torch.tensor(SLOPE))

    def forward(self, x: Tensor) -> Tensor:
        return ((x @ self.curvature) * x).sum(1) / 2 + x @ self.slope + 1


def penalty_of(name: str, side: str, discriminator: nn.Module) -> tuple[Tensor, Tensor]:
    """The penalty's values on a batch of real data, and the samples it looks at."""
    game = small_game(discriminator=discriminator)
    term = PENALTIES[name](1.0)
    assert term.differentiates == {side}
    batch = a_batch(game, differentiates=term.differentiates)
    return term.fn(batch), getattr(batch, side).detach()


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_a_linear_discriminator_costs_its_squared_slope(name: str, side: str) -> None:
    values, _ = penalty_of(name, side, Quadratic([[0.0, 0.0], [0.0, 0.0]]))
    assert values.tolist() == [25.0] * 8  # 3² + 4², without a half, for each sample


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_a_quadratic_one_costs_its_gradient_at_each_sample(name: str, side: str) -> None:
    values, x = penalty_of(name, side, Quadratic(CURVATURE))
    (a, b), (c, d) = CURVATURE
    first = a * x[:, 0] + (b + c) / 2 * x[:, 1] + SLOPE[0]
    second = (b + c) / 2 * x[:, 0] + d * x[:, 1] + SLOPE[1]
    torch.testing.assert_close(values, first**2 + second**2, rtol=1e-12, atol=1e-12)
    assert len(values.unique()) == 8


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_penalties_train_the_discriminator_through_a_second_derivative(
    name: str, side: str
) -> None:
    # Mean of |(C + Cᵀ) x / 2 + w|²: its gradient in w is twice the mean of what is inside.
    discriminator = Quadratic(CURVATURE)
    values, x = penalty_of(name, side, discriminator)
    values.mean().backward()
    curvature = discriminator.curvature.detach()
    inside = x @ (curvature + curvature.T) / 2 + discriminator.slope.detach()
    torch.testing.assert_close(discriminator.slope.grad, 2 * inside.mean(0), rtol=1e-12, atol=0)


@pytest.mark.parametrize("shape", [(5, 3), (2, 2, 4, 4)], ids=["vectors", "images"])
def test_second_derivatives_equal_finite_differences(shape: tuple[int, ...]) -> None:
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(shape, generator=draw, dtype=torch.float64)
    size = x[0].numel()
    first = torch.randn(6, size, generator=draw, dtype=torch.float64, requires_grad=True)
    last = torch.randn(6, generator=draw, dtype=torch.float64, requires_grad=True)

    def penalty(first: Tensor, last: Tensor) -> Tensor:
        images = x.clone().requires_grad_()
        logits = torch.tanh(images.flatten(1) @ first.T) @ last
        return squared_gradient_norm(logits, images)

    assert penalty(first, last).shape == (shape[0],)
    assert torch.autograd.gradcheck(penalty, (first, last))


def test_weight_and_laziness_belong_to_the_term() -> None:
    term: Term = PENALTIES["r1"](lambda seen: seen / 100, 4)
    assert [step for step in range(9) if term.is_due(step)] == [0, 4, 8]
    assert term.weight_at(50) == 2.0  # 50 / 100, times 4
    assert PENALTIES["r2"](5.0).weight_at(0) == 5.0


class OfTheMean(nn.Module):
    """One logit for a whole batch: a slope times its mean."""

    couples_batch = True

    def forward(self, x: Tensor) -> Tensor:
        return (x @ torch.tensor(SLOPE).to(x)).mean()[None]


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_one_logit_for_the_batch_counts_for_each_of_its_samples(name: str, side: str) -> None:
    values, _ = penalty_of(name, side, OfTheMean())
    assert values.tolist() == pytest.approx([25.0] * 8)  # as if each sample had this slope


# What each penalty on other points costs at a slope of norm 5, and at one of norm 0.5.
ELSEWHERE = {"gp": (16.0, 0.25), "lp": (16.0, 0.0), "dragan": (16.0, 0.25)}
LOOKS_AT = {"r1": {"real"}, "r2": {"fake"}, "gp": {"interpolates"}, "lp": {"interpolates"}}
FLAT = [[0.0, 0.0], [0.0, 0.0]]


def a_batch_for(term: Term, game: LatentGame, **fields: Any) -> LatentBatch:
    return a_batch(game, differentiates=term.differentiates, **fields)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_linear_critic_costs_what_its_one_slope_does(name: str) -> None:
    for scale, expected in zip((1.0, 0.1), ELSEWHERE[name], strict=True):
        critic = Quadratic(FLAT).double()
        critic.slope.data *= scale
        term = PENALTIES[name](1.0)
        values = term.fn(a_batch_for(term, small_game(discriminator=critic)))
        assert values.dtype == torch.float64
        torch.testing.assert_close(values, torch.full((8,), expected).double(), rtol=1e-9, atol=0)


def steep_critic(dropout: float = 0.0) -> MLPDiscriminator:
    """A smooth critic with slopes on both sides of 1."""
    with seeded(0):
        critic = MLPDiscriminator((2,), [6], activation="tanh", dropout=dropout)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.mul_(3)
    return critic


def slope_at(x: Tensor) -> Tensor:
    """The gradient of the quadratic critic at points [N, 2]."""
    curvature = torch.tensor(CURVATURE, dtype=x.dtype)
    return x @ (curvature + curvature.T) / 2 + torch.tensor(SLOPE, dtype=x.dtype)


def points_of(name: str, batch: LatentBatch) -> Tensor:
    """Where a penalty looks: between real and fake, or near real samples."""
    real, fake = batch.real.detach(), batch.fake.detach()
    if name == "dragan":
        return real + real.std() / 2 * batch.uniform("dragan", (2,))
    share = batch.uniform(name, (1,))
    return share * real + (1 - share) * fake


@pytest.mark.parametrize("std", [0.0, 0.3], ids=["plain", "instance noise"])
@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_quadratic_critic_costs_its_slope_at_each_point(name: str, std: float) -> None:
    """With instance noise it is the slope at the point with its own noise added."""
    game = small_game(discriminator=Quadratic(CURVATURE))
    game.augment.append(InstanceNoise(std, Schedule(), samples=64))
    term = PENALTIES[name](1.0)
    batch = a_batch_for(term, game)
    noise = torch.randn((8, 2), generator=batch.move.draw("instance-noise", name)).double()
    norm = slope_at(points_of(name, batch) + std * noise).norm(dim=1)
    excess = norm - 1 if name != "lp" else (norm - 1).clamp(min=0)
    torch.testing.assert_close(term.fn(batch), excess.square(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", PENALTIES)
def test_what_a_penalty_teaches_equals_finite_differences(name: str) -> None:
    game = small_game(discriminator=steep_critic())
    term = PENALTIES[name](1.0)
    batch = a_batch_for(term, game)
    names, values = zip(*game.players[D].named_parameters(), strict=True)

    def penalty(*weights: Tensor) -> Tensor:
        return term.fn(batch.with_parameters(D, dict(zip(names, weights, strict=True))))

    given = tuple(value.detach().clone().requires_grad_() for value in values)
    found = penalty(*given)
    assert found.shape == (8,)
    if name == "lp":
        assert (found == 0).any()
        assert (found > 0).any()
    assert torch.autograd.gradcheck(penalty, given)


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_is_that_of_each_sample_whatever_else_is_in_the_batch(name: str) -> None:
    """All but DRAGAN's, whose perturbations are as wide as the batch, as it says of itself."""
    game = small_game(discriminator=steep_critic())
    term = PENALTIES[name](1.0)
    batch, other = a_batch_for(term, game), a_batch_for(term, game)
    for side in ("real", "fake"):
        strange = getattr(batch, side).detach().clone()
        strange[3:] = 10 + strange[3:].flip(0)
        other.__dict__[side] = strange.requires_grad_(side in term.differentiates)
    ours, theirs = term.fn(batch), term.fn(other)
    assert not torch.allclose(ours[3:], theirs[3:])
    assert torch.allclose(ours[:3], theirs[:3], rtol=1e-12, atol=1e-14) != term.couples_batch
    assert term.couples_batch == (name == "dragan")


@pytest.mark.parametrize("name", LOOKS_AT)
def test_micro_batches_of_a_penalty_are_one_batch(name: str) -> None:
    game = small_game(discriminator=steep_critic(dropout=0.3))
    term = PENALTIES[name](1.0)
    assert term.differentiates == LOOKS_AT[name]
    whole = term.fn(a_batch_for(term, game))
    parts = [
        term.fn(a_batch_for(term, game, part=part))
        for part in (slice(0, 3), slice(3, 6), slice(6, 8))
    ]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-12, atol=1e-14)


def test_micro_batches_of_dragan_are_refused() -> None:
    with pytest.raises(InputError, match="`dragan`"):
        small_state(small_recipe(micro_batch=4), penalties=[PENALTIES["dragan"](1.0)])


class LinearByClass(Discriminator):
    """A slope of its own for each class of the ring: 1, 2, ... 8 along the first axis."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = 8
        self.slope = nn.Parameter(torch.arange(1.0, 9.0))

    def forward(self, x: Tensor, labels: Tensor | None = None, whole: bool = False) -> Any:
        assert labels is not None
        logits = self.slope[labels] * x[:, 0]
        return Judgement(logits) if whole else logits


@pytest.mark.parametrize("name", PENALTIES)
def test_a_conditional_critics_penalty_is_that_of_the_class(name: str) -> None:
    """Between real and fake, and near real samples, the class is that of the real one."""
    with seeded(0):
        generator = MLPGenerator(4, (2,), [8], condition="embedding", classes=8)
    game = small_game(generator=generator, discriminator=LinearByClass())
    term = PENALTIES[name](1.0)
    batch = a_batch_for(term, game)
    labels = batch.fake_labels if name == "r2" else batch.labels
    assert labels is not None
    slope = labels.double() + 1
    expected = slope.square() if name in ("r1", "r2") else (slope - 1).square()
    assert len(expected.unique()) > 2
    torch.testing.assert_close(term.fn(batch), expected, rtol=1e-9, atol=1e-9)


def test_a_critic_that_is_flat_has_a_penalty_that_can_be_differentiated() -> None:
    critic = Quadratic(FLAT)
    critic.slope.data.zero_()
    for name, expected in (("gp", 1.0), ("lp", 0.0), ("dragan", 1.0)):
        term = PENALTIES[name](1.0)
        values = term.fn(a_batch_for(term, small_game(discriminator=critic)))
        values.mean().backward()
        assert values.tolist() == pytest.approx([expected] * 8, abs=1e-5)
        assert critic.slope.grad.isfinite().all()
