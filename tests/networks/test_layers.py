"""Dropout by key, initialization as the documents have it, who depends on the batch."""

import pytest
import torch
from torch import nn

from sparring.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from sparring.networks.layers import (
    Dropout,
    initialize,
    keyed_noise,
    noisy_layers,
    seeded,
    uses_batch_statistics,
)
from sparring.networks.mlp import MLPDiscriminator, MLPGenerator
from sparring.randomness import keyed, seed_of

ONES = torch.ones(500, 400)


def dropped(rate: float, key: str = "test") -> torch.Tensor:
    """What dropout makes of ones, with noise of a key."""
    layer = Dropout(rate)
    layer.noise = keyed_noise(keyed(key), 500, slice(0, 500))
    return layer(ONES)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(rate: float) -> None:
    x = dropped(rate)
    share = (x == 0).float().mean().item()
    assert share == pytest.approx(rate, abs=5 * (rate * (1 - rate) / ONES.numel()) ** 0.5 + 2**-16)
    kept = x[x != 0].unique()
    assert kept.tolist() == pytest.approx([1 / (1 - rate)], rel=1e-4)
    assert x.mean().item() == pytest.approx(1, abs=0.02)
    # No row or column is dropped as a whole.
    assert 0 < (x == 0).float().mean(0).min() <= (x == 0).float().mean(0).max() < 1
    assert (x == 0).float().mean(1).std() < 0.05


def test_dropout_noise_belongs_to_its_key() -> None:
    assert torch.equal(dropped(0.5), dropped(0.5))
    assert not torch.equal(dropped(0.5), dropped(0.5, "other"))


def test_each_call_draws_anew() -> None:
    layer = Dropout(0.5)
    layer.noise = keyed_noise(keyed("test"), 500, slice(0, 500))
    assert not torch.equal(layer(ONES), layer(ONES))


def test_dropout_does_nothing_in_evaluation_or_without_a_rate() -> None:
    assert Dropout(0.5).eval()(ONES) is ONES
    assert Dropout(0.0)(ONES) is ONES


def test_dropout_works_outside_training_by_this_package_too() -> None:
    share = (Dropout(0.5)(ONES) == 0).float().mean().item()
    assert share == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="dropout rate"):
        Dropout(rate)


def test_gradients_pass_where_the_sample_did() -> None:
    x = torch.ones(20, 30, requires_grad=True)
    layer = Dropout(0.25)
    layer.noise = keyed_noise(keyed("test"), 20, slice(0, 20))
    out = layer(x)
    out.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, out.detach())


@pytest.mark.parametrize("features", [(3,), (5, 7), (2, 3, 3)])
def test_noise_of_a_part_is_that_part_of_the_whole(
    features: tuple[int, ...],
) -> None:
    whole = keyed_noise(keyed("test"), 10, slice(0, 10), views=2)(torch.Size((20, *features)))
    part = keyed_noise(keyed("test"), 10, slice(4, 7), views=2)(torch.Size((6, *features)))
    assert whole.dtype == torch.int16
    assert torch.equal(part[:3], whole[4:7])
    assert torch.equal(part[3:], whole[14:17])
    assert not torch.equal(whole[:10], whole[10:])


def test_noisy_layers_are_found_by_name() -> None:
    network = MLPDiscriminator((2,), [4, 4], dropout=0.3)
    assert [name for name, _ in noisy_layers(network)] == ["layers.2", "layers.5"]
    assert noisy_layers(MLPDiscriminator((2,), [4, 4])) == []


def test_normal_initialization_is_002_on_weights_and_batch_norm_around_one() -> None:
    with seeded(0):
        generator = DCGANGenerator(100, (3, 64, 64), 16)
        discriminator = DCGANDiscriminator((3, 64, 64), 16)
        plain = MLPGenerator(50, (200,), [300, 300], init="normal", normalization="batch")
    for network in (generator, discriminator, plain):
        for layer in network.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                tolerance = 4 * 0.02 / layer.weight.numel() ** 0.5
                assert layer.weight.mean().item() == pytest.approx(0, abs=tolerance)
                assert layer.weight.std().item() == pytest.approx(0.02, abs=tolerance)
    norms = [m.weight for m in generator.modules() if isinstance(m, nn.BatchNorm2d)]
    scales = torch.cat([weight.detach() for weight in norms])
    assert scales.mean().item() == pytest.approx(1, abs=0.005)
    assert scales.std().item() == pytest.approx(0.02, rel=0.3)
    # Weights only: biases and one-dimensional normalization stay as PyTorch makes them.
    biases = torch.cat([m.bias for m in plain.modules() if isinstance(m, nn.Linear)])
    assert biases.abs().max() > 0.05
    norms = [m.weight for m in plain.modules() if isinstance(m, nn.BatchNorm1d)]
    assert all((weight == 1).all() for weight in norms)


@pytest.mark.parametrize(
    ("scheme", "std"), [("xavier", (2 / 700) ** 0.5), ("he", (2 / 1.04 / 400) ** 0.5)]
)
def test_scaled_initializations(scheme: str, std: float) -> None:
    layer = nn.Linear(400, 300)
    initialize(layer, scheme)
    assert layer.weight.std().item() == pytest.approx(std, rel=0.02)


def test_default_initialization_is_pytorchs() -> None:
    with seeded(3):
        ours = MLPGenerator(5, (4,), [6])
    with seeded(3):
        theirs = nn.Sequential(nn.Linear(5, 6), nn.LeakyReLU(), nn.Linear(6, 4))
    assert torch.equal(ours.layers[0].weight, theirs[0].weight)
    assert torch.equal(ours.layers[2].bias, theirs[2].bias)


def test_who_depends_on_the_batch() -> None:
    assert uses_batch_statistics(DCGANDiscriminator((1, 16, 16), 4))
    assert not uses_batch_statistics(DCGANDiscriminator((1, 16, 16), 4, normalization="layer"))
    own = MLPDiscriminator((2,), [4])
    assert not uses_batch_statistics(own)
    own.layers[1].couples_batch = True
    assert uses_batch_statistics(own)


def test_seeded_leaves_the_global_generator_as_it_was() -> None:
    before = torch.get_rng_state()
    with seeded(7):
        first = torch.randn(3)
    with seeded(7):
        assert torch.equal(torch.randn(3), first)
    assert torch.equal(torch.get_rng_state(), before)


def test_keys_do_not_collide() -> None:
    keys = [(1, 23), (12, 3), (1, "23"), ("1", 23), (123,), ("1, 23",), (1, 2, 3), (0, 1, 23)]
    assert len({seed_of(*key) for key in keys}) == len(keys)
    assert all(0 <= seed_of(*key) < 2**63 for key in keys)
    assert seed_of(1, "z") == seed_of(1, "z")
