"""Classification accuracy score: what a classifier learns from generated samples alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from sparring.data import Dataset
from sparring.errors import InputError
from sparring.metrics.classifier import class_probabilities, train_classifier
from sparring.metrics.record import Comparison, Estimate, Provenance
from sparring.networks.layers import seeded
from sparring.randomness import keyed

MOST = 10_000  # samples to learn from
SHOWN, MOST_EPOCHS = 20_000, 40  # samples shown in training, repeats included, at most
LARGEST = 32  # pixels a side; larger images are averaged down
WIDTH = 8
HIDDEN, STEPS = 64, 300


def cas(comparison: Comparison) -> Estimate:
    """Accuracy on real samples of a classifier of generated ones (Ravuri and Vinyals, 2019).

    In the flags, what the same training on as many real samples gives. Tested on the split that is
    compared with; where that is all data, on its test split.
    """
    dataset, labels = comparison.dataset, comparison.labels
    assert dataset is not None
    assert labels is not None
    if int(labels.max()) >= len(dataset.classes) or int(labels.min()) < 0:
        raise InputError(
            f"labels of generated samples are {int(labels.min())} to {int(labels.max())}, and data "
            f"`{dataset.name}` has classes 0 to {len(dataset.classes) - 1}",
            "number them as the data does",
        )
    split = "test" if comparison.split == "all" else comparison.split
    chosen = torch.randperm(len(labels), generator=keyed("cas"))[:MOST]  # they may be in order
    samples, labels = comparison.samples_fake[chosen], labels[chosen]
    right = learned(samples, labels, dataset, split)
    key = f"cas {len(samples)}"
    if key not in comparison.kept:
        own = dataset.splits["train"]
        drawn = torch.randperm(len(own), generator=keyed("cas"))[: len(samples)]
        assert dataset.labels is not None
        chosen = own[drawn]
        answers = learned(dataset.values[chosen], dataset.labels[chosen], dataset, split)
        comparison.kept[key] = answers.double().mean().item(), len(chosen)
    of_real, count = comparison.kept[key]
    value = right.double().mean().item()
    large = dataset.is_images and max(dataset.shape[1:]) > LARGEST
    return Estimate(
        value,
        math.sqrt(value * (1 - value) / len(right)),
        [
            f"{of_real:.4g} when trained on {count} real samples",
            f"trained on {len(samples)}, tested on {len(right)} of split {split}",
        ],
        {"real": of_real},
        Provenance(
            "fresh classifier", "class", f"area to {LARGEST}x{LARGEST}" if large else "none"
        ),
    )


def learned(samples: Tensor, labels: Tensor, dataset: Dataset, split: str) -> Tensor:
    """Whether each real sample of a split is classified rightly after training on `samples`."""
    tested, truth = dataset.split(split), dataset.split_labels(split)
    assert truth is not None
    if dataset.is_images:
        images, tested = shrunk(samples), shrunk(tested)
        epochs = min(MOST_EPOCHS, max(1, SHOWN // len(images)))
        classifier = train_classifier(images, labels, epochs, width=WIDTH, augment=False)
        return class_probabilities(classifier, tested).argmax(1) == truth
    return _of_vectors(samples, labels, tested, len(dataset.classes)) == truth


def _of_vectors(samples: Tensor, labels: Tensor, tested: Tensor, classes: int) -> Tensor:
    """The classes that a network of one hidden layer sees in `tested`."""
    mean, std = samples.mean(0), samples.std(0).clamp(min=1e-6)
    x = (samples - mean) / std
    with seeded(0):
        network = nn.Sequential(
            nn.Linear(x.shape[1], HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, classes)
        )
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
        with torch.enable_grad():
            for _ in range(STEPS):
                loss = cross_entropy(network(x), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    with torch.no_grad():
        return network((tested - mean) / std).argmax(1)


def shrunk(images: Tensor) -> Tensor:
    """uint8 images with no side longer than LARGEST."""
    if max(images.shape[-2:]) <= LARGEST:
        return images
    parts = [interpolate(p.float(), (LARGEST, LARGEST), mode="area") for p in images.split(1000)]
    return torch.cat(parts).round().to(torch.uint8)
