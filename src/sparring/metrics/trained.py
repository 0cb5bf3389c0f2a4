"""A classifier trained on the user's own labelled images, whose features scores look at."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sparring.data import Dataset
from sparring.errors import InputError
from sparring.metrics.classifier import Classifier, accuracy, train_classifier
from sparring.metrics.kept import keep, read_kept
from sparring.metrics.waiting import waiting
from sparring.randomness import keyed

LARGEST_SIDE = 64  # pixels; larger images are shrunk to it
SMALLEST_SIDE = 4
PIXELS = 100_000_000  # that are looked at in training: about a minute of one core
EPOCHS = 40
FEWEST_SEEN = 10_000  # images that are looked at where there are few
HELD_OUT = 5000  # images that its accuracy is measured on


def trained_classifier(dataset: Dataset) -> tuple[Classifier, float, float]:
    """A classifier of the training split, kept under the hash of the data.

    Also the share of held-out images that it is right on, and that of their most frequent class.
    InputError for data without labels.
    """
    labels = dataset.split_labels("train")
    if not dataset.is_images:
        raise InputError(
            f"features `trained` look at images, and data `{dataset.name}` holds vectors",
            "choose features=samples",
        )
    if labels is None or len(labels.unique()) < 2:
        raise InputError(
            f"features `trained` need labels of at least two classes, which data "
            f"`{dataset.name}` has not",
            "put the images of each class into a folder of its own, or choose features=pixels",
        )
    if min(dataset.shape[1:]) < SMALLEST_SIDE:
        raise InputError(
            f"features `trained` need images of {SMALLEST_SIDE} pixels a side and more",
            "choose features=pixels",
        )
    classifier = Classifier(int(labels.max()) + 1, dataset.shape[0])
    kept = read_kept(key := f"classifier {dataset.fingerprint}")
    if kept is None:
        classifier = _train(dataset, labels)
        state = {name: tensor.contiguous() for name, tensor in classifier.state_dict().items()}
        kept = {"shares": torch.tensor(_shares(classifier, dataset)), **state}
        keep(key, kept)
    right, usual = kept.pop("shares").tolist()
    classifier.load_state_dict(kept)
    return classifier.eval().to(memory_format=torch.channels_last), right, usual


def _shares(classifier: Classifier, dataset: Dataset) -> tuple[float, float]:
    """Of images it was not trained on: those it is right on, those of the most frequent class."""
    assert dataset.labels is not None
    held_out = torch.cat([dataset.splits["select"], dataset.splits["test"]])
    held_out = held_out[_drawn(len(held_out), HELD_OUT)]
    labels = dataset.labels[held_out]
    right = accuracy(classifier, shrunk(dataset.values[held_out]), labels)
    return right, labels.bincount().max().item() / len(labels)


def _train(dataset: Dataset, labels: Tensor) -> Classifier:
    """Bounded work: of large images fewer are looked at."""
    chosen = _drawn(len(labels), PIXELS // _pixels(dataset.shape))
    images = shrunk(dataset.values[dataset.splits["train"][chosen]])
    passes = PIXELS // (_pixels(dataset.shape) * len(images))
    epochs = max(1, min(passes, max(EPOCHS, FEWEST_SEEN // len(images))))
    words = f"training a classifier of {len(images):,} images for the scores"
    with waiting(words, epochs * len(images)) as advance:
        return train_classifier(images, labels[chosen], epochs, advance=advance)


def _drawn(count: int, most: int) -> Tensor:
    """Indices of at most `most`, always the same."""
    return torch.randperm(count, generator=keyed("classifier", count))[:most].sort().values


def _pixels(shape: tuple[int, ...]) -> int:
    height, width = _size(shape)
    return height * width


def _size(shape: tuple[int, ...]) -> tuple[int, int]:
    height, width = shape[-2:]
    share = min(1.0, LARGEST_SIDE / max(height, width))
    return round(height * share), round(width * share)


def shrunk(images: Tensor) -> Tensor:
    """uint8 images [N, C, H, W] of at most LARGEST_SIDE pixels a side."""
    size = _size(tuple(images.shape))
    if size == tuple(images.shape[-2:]):
        return images
    parts = [
        interpolate(part.float(), size, mode="bilinear", antialias=True).round().to(torch.uint8)
        for part in images.split(500)
    ]
    return torch.cat(parts)
