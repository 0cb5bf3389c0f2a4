"""What a classifier learns from generated samples: everything, nothing, and what lacks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sparring
from helpers import toy
from sparring.errors import InputError
from sparring.metrics import Made, Scorer, check_metrics
from sparring.metrics.cas import shrunk
from sparring.scoring import prepare

NAMES = ["cas"]


@pytest.mark.parametrize(("data", "count"), [("ring", 400), ("patterns", 160)])
def test_true_labels_teach_and_shuffled_ones_do_not(data: str, count: int) -> None:
    dataset = toy(data)
    samples, labels = dataset.split("select")[:count], dataset.split_labels("select")
    assert labels is not None
    labels = labels[:count]
    scorer = Scorer(dataset, "test")
    right = scorer.estimates(Made(samples, labels), NAMES)["cas"]
    assert right.value > 0.97
    assert right.more["real"] > 0.97
    assert right.flags[0] == f"{right.more['real']:.4g} when trained on {count} real samples"
    draw = torch.Generator().manual_seed(0)
    shuffled = labels[torch.randperm(count, generator=draw)]
    wrong = scorer.estimates(Made(samples, shuffled), NAMES)["cas"]
    assert wrong.value < 3 / len(dataset.classes)
    assert wrong.error is not None
    assert wrong.error < 0.02
    assert scorer.estimates(Made(samples, labels), NAMES)["cas"].value == right.value


def test_a_class_that_is_never_made_is_never_right() -> None:
    ring = toy("ring")
    labels = ring.split_labels("select")
    assert labels is not None
    kept = (labels < 4).nonzero().flatten()[:400]
    half = Made(ring.split("select")[kept], labels[kept])
    record = Scorer(ring, "test").score(half, NAMES)["cas"]
    assert record.value == pytest.approx(0.5, abs=0.05)
    assert (record.features, record.layer) == ("fresh classifier", "class")


def test_large_images_are_made_smaller() -> None:
    large = torch.arange(256).to(torch.uint8).view(1, 1, 256, 1).expand(1200, 1, 256, 64)
    small = shrunk(large)
    assert small.shape == (1200, 1, 32, 32)
    assert small[0, 0, :, 0].tolist() == [8 * k + 4 for k in range(32)]  # the mean of 0 to 7 is 3.5
    assert shrunk(small) is small


def test_labels_are_needed_on_both_sides() -> None:
    ring, gaussian = toy("ring"), toy("gaussian")
    with pytest.raises(InputError, match="`cas` needs labels, which the generated samples have"):
        Scorer(ring, "test").score(ring.values[:20], NAMES)
    unlabelled = Made(gaussian.values[:20], torch.zeros(20, dtype=torch.long))
    with pytest.raises(InputError, match="`cas` needs labelled data, which data `gaussian`"):
        Scorer(gaussian, "test").score(unlabelled, NAMES)
    with pytest.raises(InputError, match="are 0 to 8, and data `ring` has classes 0 to 7"):
        Scorer(ring, "test").score(Made(ring.values[:9], torch.arange(9)), NAMES)
    with pytest.raises(InputError, match="`cas` needs labels"):
        check_metrics(NAMES, "auto", ring)
    check_metrics(NAMES, "auto", ring, labels=True)


def test_labels_of_an_npz_and_of_subfolders_are_used(tmp_path: Path) -> None:
    patterns = toy("patterns")
    assert patterns.modes is not None
    images, labels = patterns.split("train")[:160], patterns.split_labels("train")
    assert labels is not None
    file = tmp_path / "made.npz"
    np.savez(file, samples=images.numpy(), labels=labels[:160].numpy())
    of_file = sparring.evaluate(file, "patterns", NAMES)["cas"]
    assert of_file["value"] > 0.9
    assert "split test" in of_file["flags"][1]
    for place, (image, label) in enumerate(zip(images, labels.tolist(), strict=False)):
        folder = tmp_path / "made" / patterns.classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(folder / f"{place}.png")
    _, made = prepare(tmp_path / "made", "patterns", NAMES, 160, None, 0)
    assert made.labels is not None
    ordered = patterns.modes.centers[made.labels]
    assert torch.equal(made.samples, ordered)
    np.savez(file, samples=images.numpy(), labels=np.full(160, -1))
    with pytest.raises(InputError, match="needs labels"):
        sparring.evaluate(file, "patterns", NAMES)
    np.savez(file, samples=images.numpy(), labels=np.zeros(3))
    assert sparring.evaluate(file, "patterns", ["kid"])["kid"]["value"] < 0.1
