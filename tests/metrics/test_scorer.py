"""A metric is never a bare number: records carry where they come from."""

from importlib import import_module

import pytest
import torch

from helpers import samples_of, toy
from sparring.data import Dataset, open_data, to_network
from sparring.errors import InputError
from sparring.metrics import METRICS, Comparison, Scorer
from sparring.metrics.classifier import accuracy, shipped_classifier
from sparring.metrics.features import find_extractor
from sparring.metrics.fid import fid
from sparring.recipe import Data


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return open_data(Data())


def test_records_say_what_was_compared_with_what(digits: Dataset) -> None:
    scorer = Scorer(digits, "test")
    records = scorer.score(digits.split("select")[:300], ["fid", "kid"], seed=7)
    assert list(records) == ["fid", "kid"]
    record = records["fid"].json()
    value = record.pop("value")
    assert 0 < record.pop("error") < 2
    assert record == {
        "features": "classifier",
        "layer": "penultimate (64)",
        "resize": "none",
        "samples_real": 500,
        "samples_fake": 300,
        "seed": 7,
        "split": "test",
        "flags": ["only 300 samples: biased upwards, compare at equal numbers only"],
    }
    features = scorer.extractor(digits.split("select")[:300])
    assert features.dtype == torch.float64
    assert features.shape == (300, 64)
    again = fid(Comparison(scorer.extractor(digits.split("test")), features, features))
    assert value == again.value


def test_scores_order_real_digits_before_worse_ones(digits: Dataset) -> None:
    scorer = Scorer(digits, "test")
    real = digits.split("select")
    blurred = torch.nn.functional.avg_pool2d(real.float(), 5, 1, 2).to(torch.uint8)
    noise = torch.randint(0, 256, real.shape, dtype=torch.uint8)
    one = real[:1].expand_as(real)
    for name in ("fid", "kid"):
        good, bad, worst, collapsed = (
            scorer.score(samples, [name])[name].value for samples in (real, blurred, noise, one)
        )
        assert good < bad < worst
        assert good < bad < collapsed


def test_the_shipped_classifier_knows_digits(digits: Dataset) -> None:
    labels = digits.split_labels("test")
    assert labels is not None
    assert accuracy(shipped_classifier(), digits.split("test"), labels) >= 0.96


def test_all_samples_can_be_the_reference() -> None:
    scorer = Scorer(toy("ring"), "all")
    assert len(scorer.real) == 120_000
    record = scorer.score(toy("ring").split("train")[:100], ["modes"])["modes"]
    assert (record.value, record.split, record.features) == (8, "all", "samples")


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("auto", (1, 28, 28), ("classifier", "none")),
        ("auto", (3, 28, 28), ("pixels", "area to 16x16")),
        ("auto", (1, 8, 8), ("pixels", "none")),
        ("pixels", (1, 28, 28), ("pixels", "area to 16x16")),
        ("auto", (5,), ("samples", "none")),
    ],
)
def test_features_suit_the_samples(
    name: str, shape: tuple[int, ...], expected: tuple[str, str]
) -> None:
    extractor = find_extractor(name, samples_of(shape))
    assert (extractor.name, extractor.resize) == expected


def test_pixels_are_averaged_down() -> None:
    image = torch.arange(32 * 32).view(1, 1, 32, 32).fmod(256).to(torch.uint8)
    features = find_extractor("pixels", samples_of((1, 32, 32)))(image)
    assert features.shape == (1, 256)
    blocks = image[0, 0].double().view(16, 2, 16, 2).mean((1, 3)).flatten() / 255
    torch.testing.assert_close(features[0], blocks, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "shape"), [("classifier", (3, 28, 28)), ("samples", (1, 8, 8)), ("pixels", (2,))]
)
def test_features_that_do_not_suit_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=name):
        find_extractor(name, samples_of(shape))


def test_what_cannot_be_scored_is_told(digits: Dataset) -> None:
    scorer = Scorer(digits, "test")
    with pytest.raises(InputError, match="there is no `fdi`") as problem:
        scorer.score(digits.values[:10], ["fdi"])
    assert problem.value.hint == "did you mean `fid`?"
    with pytest.raises(InputError, match=r"shape \(1, 8, 8\).*\(1, 28, 28\)"):
        scorer.score(toy("patterns").values[:10], ["fid"])
    with pytest.raises(InputError, match="1 samples cannot be scored"):
        scorer.score(digits.values[:1], ["fid"])


def test_which_way_is_better_is_known() -> None:
    assert {name for name, metric in METRICS.items() if metric.higher_is_better} == {
        *("is", "precision", "recall", "density", "coverage", "modes", "lpips", "cas", "psnr")
    }


def test_errors_are_left_until_they_are_asked_for(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint is chosen by values alone, and errors take longer than they do."""

    def asked(*_: object) -> float:
        raise AssertionError("computed")

    # The package's functions have the names of their modules.
    monkeypatch.setattr(import_module("sparring.metrics.kid"), "variance", asked)
    monkeypatch.setattr(import_module("sparring.metrics.fid"), "_jackknife", asked)
    scorer = Scorer(digits, "test")
    found = scorer.estimates(digits.split("select"), ["fid", "kid"])
    assert found["fid"].value >= 0
    with pytest.raises(AssertionError, match="computed"):
        scorer.score(digits.split("select"), ["kid"])


def test_a_second_scoring_is_as_good_as_the_first(digits: Dataset) -> None:
    """What a scorer keeps is of the real side alone, and is not worked out again."""
    names = ["fid", "kid", "is", "precision", "recall", "density", "coverage"]
    first, second = digits.split("select").split([300, 200])
    scorer = Scorer(digits, "test")
    scorer.estimates(first, names)
    kept = dict(scorer._kept)
    found = scorer.estimates(second, names)
    assert all(scorer._kept[name] is kept[name] for name in scorer._kept)
    fresh = Scorer(digits, "test").estimates(second, names)
    assert {name: e.value for name, e in found.items()} == {n: e.value for n, e in fresh.items()}


def test_classes_come_from_the_features_of_the_same_pass(digits: Dataset) -> None:
    extractor = find_extractor("classifier", digits)
    images = digits.split("test")[:50]
    with torch.inference_mode():
        wanted = shipped_classifier()(to_network(images, torch.device("cpu"))).double()
    assert torch.allclose(extractor.logits(extractor(images)), wanted, atol=1e-5)
