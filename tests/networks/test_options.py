"""Options of networks are checked against their constructors, in the user's words."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sparring.errors import InputError
from sparring.networks import build_discriminator, build_generator
from sparring.networks.dcgan import DCGANGenerator
from sparring.networks.mlp import MLPGenerator
from sparring.recipe import Network


class Mine(nn.Module):
    """A user's generator with options of its own."""

    def __init__(
        self, latent_size: int, shape: tuple[int, ...], depth: int = 2, *, gain: float = 1.5
    ) -> None:
        super().__init__()
        self.depth, self.gain = depth, gain
        self.layer = nn.Linear(latent_size, shape[0])

    def forward(self, z: Tensor) -> Tensor:
        return self.layer(z)


def generator_of(shape: tuple[int, ...], options: dict[str, Any]) -> tuple[nn.Module, Network]:
    network = Network.model_validate({"name": "mlp"} | options)
    return build_generator(network, 4, shape, seed=0), network


def test_a_name_becomes_a_network_with_its_options_completed() -> None:
    network = Network.model_validate({"name": "mlp", "width": [5, 6], "dropout": "0.25"})
    built = build_generator(network, 4, (2,), seed=0)
    assert isinstance(built, MLPGenerator)
    assert built.layers[0].weight.shape == (5, 4)
    assert network.options() == {
        "width": [5, 6],
        "dropout": 0.25,
        "activation": "leaky_relu",
        "normalization": "none",
        "init": "default",
        "condition": "none",
        "embedding": 50,
        "classes": 0,
    }
    images, _ = generator_of((1, 8, 8), {"name": "dcgan", "width": 2})
    assert isinstance(images, DCGANGenerator)


def test_the_seed_makes_the_weights() -> None:
    make = lambda seed: build_discriminator(Network(name="mlp"), (2,), seed)  # noqa: E731
    first, same, other = (torch.cat([p.flatten() for p in make(s).parameters()]) for s in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"witdh": 3}, r"`generator\.witdh`: network `mlp` has no such option", "generator.width"),
        ({"shape": 3}, r"`generator\.shape`", "width"),
        ({"latent_size": 3}, r"`generator\.latent_size`", "width"),
        ({"width": "wide"}, r"generator\.width='wide'", "generator.width=VALUE"),
        ({"width": 2.5}, r"generator\.width=2\.5", "generator.width=VALUE"),
        ({"width": 0}, r"generator\.width=0", "generator.width=VALUE"),
        ({"width": [8, -1]}, r"generator\.width=\[8, -1\]", "generator.width=VALUE"),
        ({"width": []}, r"generator\.width=\[\]", "generator.width=VALUE"),
        ({"dropout": 1.5}, r"generator\.dropout=1\.5", "generator.dropout=VALUE"),
        ({"activation": "gelu"}, r"generator\.activation='gelu'", "generator.activation=VALUE"),
        ({"name": "dcgna"}, r"generator\.name: there is no `dcgna`", "did you mean `dcgan`?"),
        ({"name": "nowhere:Mine"}, r"cannot load `nowhere:Mine`", "module:attribute"),
        ({"name": "math:Mine"}, r"cannot load `math:Mine`", "module:attribute"),
        ({"name": "dcgan", "width": 0}, r"generator\.width=0", "generator.width=VALUE"),
    ],
)
def test_wrong_options_are_told_with_the_right_ones(
    options: dict[str, Any], message: str, hint: str
) -> None:
    shape = (1, 8, 8) if options.get("name") == "dcgan" else (2,)
    with pytest.raises(InputError, match=message) as problem:
        generator_of(shape, options)
    assert hint in problem.value.hint


def test_ones_own_constructor_is_checked_in_the_same_way() -> None:
    network = Network.model_validate({"name": f"{__name__}:Mine", "depth": "7"})
    built = build_generator(network, 4, (2,), seed=0)
    assert isinstance(built, Mine)
    assert (built.depth, built.gain) == (7, 1.5)
    assert network.options() == {"depth": 7, "gain": 1.5}
    with pytest.raises(InputError, match=r"`generator\.gian`") as problem:
        build_generator(Network.model_validate({"name": "x", "gian": 1}), 4, (2,), 0, make=Mine)
    assert "generator.gain" in problem.value.hint


def test_a_constructor_without_options_says_so() -> None:
    def make(latent_size: int, shape: tuple[int, ...]) -> nn.Module:
        return nn.Linear(latent_size, shape[0])

    assert isinstance(build_generator(Network(name="x"), 4, (2,), 0, make=make), nn.Linear)
    with pytest.raises(InputError) as problem:
        build_generator(Network.model_validate({"name": "x", "width": 1}), 4, (2,), 0, make=make)
    assert problem.value.hint == "it has no options"
