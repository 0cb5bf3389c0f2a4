"""Layers that compare the samples of a batch, and packs of samples."""

from __future__ import annotations

import pytest
import torch

from helpers import CPU, D, small_recipe, toy
from sparring.errors import InputError
from sparring.games.latent import latent_game
from sparring.networks.dcgan import DCGANDiscriminator
from sparring.networks.discriminator import packs
from sparring.networks.layers import uses_batch_statistics
from sparring.networks.minibatch import Distances, MinibatchDiscrimination, MinibatchStddev
from sparring.networks.mlp import MLPDiscriminator
from sparring.objectives.penalties import squared_gradient_norm
from sparring.report.judge import judge_of
from sparring.training.state import State
from sparring.training.step import run_step


@pytest.mark.parametrize(("count", "size"), [(8, 4), (6, 3), (10, 2), (5, 5), (7, 7), (1, 1)])
def test_the_spread_is_that_of_the_samples_group(count: int, size: int) -> None:
    x = torch.randn(count, 6)
    seen = MinibatchStddev()(x)
    assert torch.equal(seen[:, :6], x)
    groups = count // size
    for sample in range(count):
        group = x[sample % groups :: groups]
        spread = (group.var(0, correction=0) + 1e-8).sqrt().mean()
        assert seen[sample, 6] == pytest.approx(spread.item(), rel=1e-5)


def test_discrimination_counts_near_samples_by_its_kernels() -> None:
    layer = MinibatchDiscrimination(6)
    x = torch.randn(5, 6)
    seen = layer(x)
    mapped = layer.kernels(x).view(5, 16, 8)
    for sample in range(5):
        others = [j for j in range(5) if j != sample]
        near = sum((-(mapped[sample] - mapped[j]).abs().sum(1)).exp() for j in others)
        assert torch.allclose(seen[sample, 6:], near, atol=1e-5)
    assert torch.allclose(layer(x[:1].repeat(5, 1))[:, 6:], torch.full((5, 16), 4.0))
    seen.sum().backward()
    assert layer.kernels.weight.grad is not None  # learned, not drawn anew


def test_distances_have_both_derivatives() -> None:
    points = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Distances.apply, (points,))
    assert torch.autograd.gradgradcheck(Distances.apply, (points,))
    weights = torch.randn(2, 5, 5, dtype=torch.float64)
    slopes = [
        torch.autograd.grad(Distances.apply(points), points, weights, create_graph=twice)[0]
        for twice in (False, True)
    ]
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("name", ["stddev", "discrimination"])
@pytest.mark.parametrize("make", [MLPDiscriminator, DCGANDiscriminator])
def test_a_discriminator_sees_sameness_and_is_judged_apart(name: str, make: type) -> None:
    network = make((1, 8, 8), 4, normalization="none", minibatch=name)
    assert uses_batch_statistics(network)
    x = torch.randn(4, 1, 8, 8, requires_grad=True)
    alone = network(x)
    assert alone.shape == (4,)
    assert not torch.allclose(alone[:1], network(x[:1].repeat(4, 1, 1, 1))[:1], atol=1e-6)
    squared_gradient_norm(alone, x).mean().backward()
    assert all(p.grad is not None for p in network.parameters() if p.dim() > 1)


def test_packs_put_channels_side_by_side() -> None:
    x = torch.arange(24.0).view(4, 2, 3)
    packed = packs(x, 2)
    assert packed.shape == (2, 4, 3)
    assert torch.equal(packed[1, 2:], x[3])
    with pytest.raises(InputError, match="packs of 3"):
        packs(x, 3)


@pytest.mark.parametrize("overrides", [{"packing": 2}, {"minibatch": "stddev"}, {"packing": 4}])
def test_a_run_with_them_trains_and_draws_no_verdict_on_single_points(
    overrides: dict[str, object],
) -> None:
    recipe = small_recipe(
        discriminator={"name": "mlp", "width": [8], **overrides},
        penalties=[{"name": "r1"}, {"name": "gp"}],
    )
    game = latent_game(recipe, toy(), CPU)
    state = State(game, recipe, CPU)
    for _ in range(3):
        run_step(state)
    kept = state.statistics.stacked()
    assert kept["logits/real"].shape == (3, 8 // int(str(overrides.get("packing", 1))))
    assert all(values.isfinite().all() for values in kept.values())
    values = toy().values
    if "packing" in overrides:
        assert judge_of(game.players[D], game.loss, values[:9], values[9:20]) is None


def test_packs_of_labelled_samples_are_refused() -> None:
    conditional = {"name": "mlp", "width": [8], "condition": "embedding"}
    recipe = small_recipe(generator=conditional, discriminator=conditional | {"packing": 2})
    with pytest.raises(InputError, match="no one label"):
        latent_game(recipe, toy(), CPU)
