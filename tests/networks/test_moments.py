"""The moments discriminator: closed forms, one logit a batch, and a game with it."""

import math

import pytest
import torch
from torch import nn

from helpers import D, G, a_batch, a_move, small_game, small_recipe, small_state, toy
from sparring.networks import count_parameters
from sparring.networks.layers import uses_batch_statistics
from sparring.networks.mlp import MLPGenerator
from sparring.networks.moments import MomentsDiscriminator, moments
from sparring.training.step import run_step

GAUSSIAN = {"data": {"name": "gaussian"}, D: {"name": "moments", "width": [4]}}


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (column(-1, 1), (0, 1, 0, -2)),
        # A share p of ones: skewness (1 - 2p) / sqrt(pq), excess kurtosis (1 - 6pq) / pq.
        (column(0, 0, 0, 1), (0.25, 0.1875**0.5, 0.5 / 0.1875**0.5, (1 - 6 * 0.1875) / 0.1875)),
        (column(7, 7, 7), (7, 0, 0, -3)),
        (column(5), (5, 0, 0, -3)),
    ],
)
def test_moments_of_small_batches(x: torch.Tensor, expected: tuple[float, ...]) -> None:
    assert moments(x)[:, 0].tolist() == pytest.approx(expected, abs=2e-6)


def test_moments_of_a_normal_and_of_a_uniform_distribution_for_each_feature() -> None:
    draw = torch.Generator().manual_seed(0)
    normal = 4 + 1.25 * torch.randn(200_000, 1, generator=draw)
    uniform = torch.rand(200_000, 1, generator=draw)
    found = moments(torch.cat([normal, uniform], 1))
    assert found.shape == (4, 2)
    assert found[:, 0].tolist() == pytest.approx((4, 1.25, 0, 0), abs=0.03)
    assert found[:, 1].tolist() == pytest.approx((0.5, 12**-0.5, 0, -1.2), abs=0.01)


def test_gradients_of_moments_are_right_and_finite_where_all_samples_agree() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(6, 2, dtype=torch.float64, generator=draw).requires_grad_()
    assert torch.autograd.gradcheck(moments, x)
    same = torch.full((5, 1), 3.0).requires_grad_()
    moments(same).sum().backward()
    assert same.grad is not None
    assert same.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(1,), (3,), (1, 8, 8)])
def test_one_logit_for_a_batch_whatever_its_size_and_order(shape: tuple[int, ...]) -> None:
    network = MomentsDiscriminator(shape, [6]).double()
    x = torch.randn(10, *shape, dtype=torch.float64)
    logit = network(x)
    assert logit.shape == (1,)
    torch.testing.assert_close(network(x.flip(0)), logit)
    torch.testing.assert_close(network(torch.cat([x, x])), logit)
    assert not torch.allclose(network(x + 1), logit)
    assert uses_batch_statistics(network)


def test_the_networks_of_the_fifty_line_program() -> None:
    discriminator = MomentsDiscriminator((1,), [10, 10], activation="sigmoid")
    generator = MLPGenerator(1, (1,), [5, 5], activation="tanh")
    assert count_parameters(discriminator) == (40 + 10) + (100 + 10) + (10 + 1)
    assert count_parameters(generator) == (5 + 5) + (25 + 5) + (5 + 1)
    assert [type(m) for m in discriminator.layers] == [
        *(nn.Linear, nn.Sigmoid, nn.Linear, nn.Sigmoid, nn.Linear)
    ]


def test_real_and_fake_are_judged_apart_with_a_logit_each() -> None:
    game = small_game(small_recipe(**GAUSSIAN), discriminator=MomentsDiscriminator((1,), [4]))
    seen: list[int] = []
    game.players[D].register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    batch = a_batch(game)
    assert batch.on_real.logits.shape == batch.on_fake.logits.shape == (1,)
    assert seen == [8, 8]
    torch.testing.assert_close(batch.on_real.logits, game.players[D](batch.real))


def test_a_step_moves_both_players_by_the_losses_of_their_logits() -> None:
    recipe = small_recipe(**GAUSSIAN)
    game = small_game(recipe, discriminator=MomentsDiscriminator((1,), [4]))
    state = small_state(recipe, game)
    on_real, on_fake = (a_batch(game, D).__getattribute__(s).logits for s in ("on_real", "on_fake"))
    expected = math.log1p(math.exp(-on_real.item())) + math.log1p(math.exp(on_fake.item()))
    before = {name: next(p.parameters()).clone() for name, p in game.players.items()}
    run_step(state)
    kept = state.statistics.stacked()
    assert kept["loss/discriminator"].tolist() == pytest.approx([expected], rel=1e-5)
    assert kept["logits/real"].shape == (1, 1)
    watched = game.watch(kept)
    assert watched["score/real"] == pytest.approx(on_real.sigmoid().item(), rel=1e-5)
    assert all(
        not torch.equal(before[name], next(player.parameters()))
        for name, player in game.players.items()
    )


def test_micro_batches_are_warned_about() -> None:
    discriminator = MomentsDiscriminator((1,), [4])
    recipe = small_recipe(**GAUSSIAN, micro_batch=4)
    (warning,) = small_state(recipe, discriminator=discriminator, dataset=toy("gaussian")).warnings
    assert "discriminator: batch statistics are taken over micro-batches of 4" in warning


def test_the_generator_learns_only_from_what_the_moments_say() -> None:
    """The gradient at the fakes is a cubic in their scores: equal fakes get equal gradients."""
    game = small_game(small_recipe(**GAUSSIAN), discriminator=MomentsDiscriminator((1,), [4]))
    batch = game.batch(a_move(G))
    fake = torch.tensor([[0.0], [0.0], [1.0], [3.0]], dtype=torch.float64, requires_grad=True)
    batch.__dict__["fake"] = fake
    batch.on_fake.logits.sum().backward()
    assert fake.grad is not None
    assert fake.grad[0] == fake.grad[1]
    assert fake.grad[0] != fake.grad[2]
