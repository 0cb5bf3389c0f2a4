"""A small classifier of grey 28x28 images: the features that scores are computed on."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from sparring.data import to_network
from sparring.networks.layers import seeded

FEATURES = 64
CPU = torch.device("cpu")


class Classifier(nn.Module):
    """Images [N, C, H, W] in [-1, 1] to features [N, 64] to class logits [N, classes]."""

    def __init__(self, classes: int = 10, channels: int = 1, width: int = 16) -> None:
        super().__init__()
        self.classes = classes
        layers = [
            *_block(channels, width),
            *_block(width, width),
            nn.MaxPool2d(2),
            *_block(width, 2 * width),
            *_block(2 * width, 2 * width),
            nn.MaxPool2d(2),
            *_block(2 * width, 4 * width),
        ]
        layers += [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16 * width, FEATURES)]
        self.body = nn.Sequential(*layers, nn.ReLU(inplace=True))
        self.head = nn.Sequential(nn.Dropout(0.4), nn.Linear(FEATURES, classes))

    def features(self, x: Tensor) -> Tensor:
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def _block(before: int, after: int) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]


def shipped_classifier() -> Classifier:
    """The classifier that comes with the package; see scripts/train_classifier.py."""
    classifier = Classifier()
    asset = resources.files("sparring.metrics") / "assets" / "classifier28.safetensors"
    with resources.as_file(asset) as path:
        classifier.load_state_dict(load_file(Path(path)))
    return classifier.eval().to(memory_format=torch.channels_last)


def train_classifier(
    images: Tensor,
    labels: Tensor,
    epochs: int = 40,
    seed: int = 0,
    width: int = 16,
    augment: bool = True,
    advance: Callable[[int], None] = lambda images: None,
) -> Classifier:
    """Train on uint8 images [N, C, H, W] and labels [N]; small warps unless `augment` is off.

    `advance` is told after each step how many images it looked at.
    """
    with seeded(seed):
        classifier = Classifier(int(labels.max()) + 1, images.shape[1], width)
        classifier.to(memory_format=torch.channels_last).train()
        batch, count = min(100, len(images)), len(images)
        steps = epochs * (count // batch)
        optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=1e-2, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
        for _ in range(epochs):
            for chosen in torch.randperm(count).split(batch)[: count // batch]:
                real = to_network(images[chosen], CPU)
                logits = classifier(warped(real) if augment else real)
                loss = cross_entropy(logits, labels[chosen])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
                advance(batch)
    return classifier.eval()


@torch.inference_mode()
def class_probabilities(classifier: Classifier, images: Tensor) -> Tensor:
    """Probabilities [N, classes] of uint8 images."""
    parts = [classifier(to_network(part, CPU)).softmax(1) for part in images.split(500)]
    return torch.cat(parts)


def accuracy(classifier: Classifier, images: Tensor, labels: Tensor) -> float:
    """The share of images that get their label."""
    return (class_probabilities(classifier, images).argmax(1) == labels).float().mean().item()


def warped(x: Tensor) -> Tensor:
    """Small random rotations, scalings, shears and shifts; what comes into view is black (-1)."""
    count = len(x)
    angle = (torch.rand(count) - 0.5) * math.radians(30)
    scale = 1 + (torch.rand(count) - 0.5) * 0.3
    shear = (torch.rand(count) - 0.5) * 0.5
    shift = (torch.rand(count, 2) - 0.5) * 0.25
    cosine, sine = angle.cos() * scale, angle.sin() * scale
    rows = [
        torch.stack([cosine, shear - sine, shift[:, 0]], dim=1),
        torch.stack([sine, cosine, shift[:, 1]], dim=1),
    ]
    where = affine_grid(torch.stack(rows, dim=1), list(x.shape), align_corners=False)
    return grid_sample(x + 1, where, align_corners=False) - 1
