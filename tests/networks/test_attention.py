"""Self-attention: nothing at first, equivariant, within memory, in every convolutional network."""

import resource
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from sparring.errors import InputError
from sparring.networks import NETWORKS
from sparring.networks.attention import SelfAttention


def attention(channels: int = 16, gamma: float = 0.7) -> SelfAttention:
    torch.manual_seed(0)
    made = SelfAttention(channels).double()
    nn.init.constant_(made.gamma, gamma)
    return made


def maps(channels: int = 16, size: int = 5) -> Tensor:
    return torch.randn(3, channels, size, size, dtype=torch.float64)


def test_it_begins_as_the_identity_and_learns_from_there() -> None:
    layer = SelfAttention(16)
    x = torch.randn(2, 16, 6, 6)
    assert torch.equal(layer(x), x)
    layer(x).square().sum().backward()
    assert layer.gamma.grad is not None
    assert layer.gamma.grad.abs() > 0


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_is_the_published_formula(layout: torch.memory_format) -> None:
    layer, x = attention(), maps().to(memory_format=layout)
    f, g, h = (conv(x).flatten(2) for conv in (layer.key, layer.query, layer.value))
    weights = torch.softmax(torch.einsum("nci,ncj->nji", f, g), dim=2)  # of i for j
    gathered = torch.einsum("nji,nci->ncj", weights, h).view(3, -1, 5, 5)
    torch.testing.assert_close(layer(x), x + 0.7 * layer.out(gathered))


def test_pixels_that_change_places_take_their_values_along() -> None:
    layer, x = attention(), maps()
    order = torch.randperm(25)
    permuted = x.flatten(2)[..., order].view_as(x)
    torch.testing.assert_close(layer(permuted).flatten(2), layer(x).flatten(2)[..., order])


def test_far_pixels_are_heard() -> None:
    layer, x = attention(), maps().requires_grad_()
    (slope,) = torch.autograd.grad(layer(x)[0, :, 0, 0].sum(), x)
    assert slope[0, :, 4, 4].abs().max() > 0
    assert slope[1:].abs().max() == 0  # of its own sample only


def test_it_can_be_differentiated_twice_where_penalties_ask_for_it() -> None:
    layer = attention(8)
    with sdpa_kernel(SDPBackend.MATH):
        inputs = (maps(8, 2).requires_grad_(),)
        assert torch.autograd.gradgradcheck(layer, inputs, atol=1e-4)


def test_a_large_map_needs_no_matrix_of_all_pairs() -> None:
    # 128x128 pixels: a matrix of all pairs would be 1 GB in fp32.
    layer = SelfAttention(64).to(memory_format=torch.channels_last)
    x = torch.randn(1, 64, 128, 128).to(memory_format=torch.channels_last)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with torch.no_grad():
        layer(x[..., :8, :8])
        layer(x)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # kB


@pytest.mark.parametrize("name", ["dcgan", "resnet"])
@pytest.mark.parametrize("spectral", [False, True])
def test_every_convolutional_network_takes_it(name: str, spectral: bool) -> None:
    family = NETWORKS[name]
    shape = (1, 28, 28)
    generator = family.generator(4, shape, width=4, attention=[14])
    judge = family.discriminator(shape, width=4, attention=[14, 7], spectral_norm=spectral)
    found = [[m for m in n.modules() if isinstance(m, SelfAttention)] for n in (generator, judge)]
    assert [len(layers) for layers in found] == [1, 2 if name == "dcgan" else 4]
    for layer in found[1]:
        normalized = [hasattr(one, "parametrizations") for one in layer.children()]
        assert normalized == [spectral] * 4
    assert judge(generator(torch.randn(2, 4))).shape == (2,)
    judge(generator(torch.randn(2, 4))).sum().backward()
    assert all(m.gamma.grad is not None for layers in found for m in layers)


@pytest.mark.parametrize("name", ["dcgan", "resnet"])
def test_without_it_networks_are_as_before(name: str) -> None:
    def weights(**options: Any) -> dict[str, Tensor]:
        torch.manual_seed(0)
        return NETWORKS[name].discriminator((1, 28, 28), width=2, **options).state_dict()

    plain, none = weights(), weights(attention=[])
    assert all(torch.equal(plain[key], tensor) for key, tensor in none.items())


@pytest.mark.parametrize("name", ["dcgan", "resnet"])
def test_resolutions_that_no_map_has_are_told_with_those_there_are(name: str) -> None:
    with pytest.raises(InputError, match=r"discriminator\.attention: no map of 20") as problem:
        NETWORKS[name].discriminator((1, 28, 28), width=2, attention=[14, 20])
    assert "7" in problem.value.hint
    assert "14" in problem.value.hint
