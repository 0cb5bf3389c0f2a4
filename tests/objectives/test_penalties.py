"""R1 and R2 against closed forms, and their own gradients against finite differences."""

import pytest
import torch
from torch import Tensor, nn

from helpers import a_batch, small_game
from sparring.objectives import PENALTIES, Term
from sparring.objectives.penalties import squared_gradient_norm

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
