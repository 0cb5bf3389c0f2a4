"""Features of the user's own network: tried at once, and every mistake in it told."""

import math
from pathlib import Path

import pytest
import torch

from helpers import Command, samples_of, toy
from sparring.errors import InputError
from sparring.metrics import Scorer
from sparring.metrics.features import find_extractor

MODULE = '''
import torch
from torch import nn

class Means(nn.Module):
    """The mean of each channel, and of its square."""

    def forward(self, x):
        return torch.cat([x.mean((2, 3)), x.square().mean((2, 3))], dim=1)

means = Means()

class Drawn(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Sequential(nn.Flatten(), nn.LazyLinear(5), nn.Dropout(0.5))

    def forward(self, x):
        return self.layer(x)

class Wrong(nn.Module):
    def forward(self, x):
        raise RuntimeError("not today")

def needy(width):
    return nn.Linear(width, width)

def something():
    return [1, 2]

class Pictures(nn.Module):
    def forward(self, x):
        return x

class Whole(nn.Module):
    def forward(self, x):
        return x.flatten(1).long()

class Infinite(nn.Module):
    def forward(self, x):
        return x.flatten(1).log()
'''


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    (tmp_path / "my_features.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))


IMAGES = torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8)


@pytest.mark.parametrize("name", ["my_features:means", "my_features:Means"])
def test_a_module_or_its_constructor_gives_features(name: str) -> None:
    found = find_extractor(name, samples_of(IMAGES))
    features = found(IMAGES)
    levels = IMAGES.double() / 127.5 - 1
    expected = torch.cat([levels.mean((2, 3)), levels.square().mean((2, 3))], dim=1)
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-6)
    assert (found.name, found.layer, found.resize) == (name, "output (6)", "none")


def test_vectors_are_given_as_they_are() -> None:
    ring = toy("ring")
    found = find_extractor("torch.nn:Identity", ring)
    assert torch.equal(found(ring.values[:99]), ring.values[:99].double())
    scorer = Scorer(ring, "test", "torch.nn:Identity")
    assert scorer.score(ring.split("test"), ["fid"])["fid"].value < 1e-6


def test_drawn_weights_are_the_same_every_time() -> None:
    first, second = (find_extractor("my_features:Drawn", samples_of(IMAGES)) for _ in range(2))
    assert torch.equal(first(IMAGES), second(IMAGES))
    assert first.key == second.key
    assert torch.equal(first(IMAGES), first(IMAGES))  # no dropout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("my_features:Wrong", r"cannot look at samples of \(3, 8, 8\): RuntimeError: not today \("),
        ("my_features:needy", "cannot be made: TypeError: needy.. missing 1 required"),
        ("my_features:something", "are no torch.nn.Module but list"),
        ("my_features:Pictures", r"have the shape \(8, 3, 8, 8\)"),
        ("my_features:Whole", "no tensor of numbers"),
        ("my_features:Nothing", "cannot load `my_features:Nothing`"),
        ("no_such_module:Net", "cannot load"),
    ],
)
def test_mistakes_are_told(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as problem:
        find_extractor(name, samples_of(IMAGES))
    assert problem.value.hint


def test_features_that_are_not_finite_are_told() -> None:
    assert math.isinf(torch.tensor(0.0).log())
    with pytest.raises(InputError, match="`my_features:Infinite` are not finite"):
        Scorer(samples_of(IMAGES), "all", "my_features:Infinite")


def test_they_are_named_on_the_command_line(command: Command, images: Path) -> None:
    words = ("evaluate", str(images), "--features", "my_features:means", "--samples", "50")
    answer = command(*words, "--json")
    record = answer.value["metrics"]["fid"]
    assert (record["features"], record["layer"]) == ("my_features:means", "output (2)")
