"""Two moderators: against copies of training images, and against artifacts.

sparring serve runs/digits --moderation sparring.serving.moderators:no_near_copies
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sparring.data import to_network
from sparring.errors import InputError
from sparring.networks import takes_labels
from sparring.networks.layers import at_rest
from sparring.report.scene import read_scene
from sparring.serving.moderation import Judge
from sparring.serving.neighbours import distances, training_data, training_images
from sparring.serving.version import Version

Array = npt.NDArray[Any]

HELD_OUT, CALIBRATED = 500, 500  # samples that thresholds are taken from
NEAR = 0.5  # of the distance of the nearest held-out image
WORST = 0.02  # of a version's own samples


def no_near_copies(version: Version) -> Judge:
    """Refuse what is half as far from a training image as the nearest of held-out images is.

    Distances are in pixels: what is a copy but for a shift goes through.
    """
    known, dataset = training_images(version), training_data(version)
    assert dataset is not None
    held_out = dataset.split("test")[:HELD_OUT]
    apart = distances(held_out, known)[0]
    threshold = NEAR * apart[apart > 0].min().item() if bool((apart > 0).any()) else 0.0

    def judge(images: Array, labels: Array) -> list[str | None]:
        found = distances(torch.from_numpy(images), known)[0].flatten().tolist()
        return [
            f"it is a near copy of a training image ({distance:.1%} of the range of grey levels)"
            if distance <= threshold
            else None
            for distance in found
        ]

    return judge


def no_artifacts(version: Version) -> Judge:
    """Refuse what the run's discriminator calls generated more surely than 98% of the samples."""
    scene = read_scene(version.run_folder, []) if version.run_folder else None
    if scene is None or scene.discriminator is None:
        raise InputError(
            f"the discriminator of `{version.name}` is not at hand", "serve the run itself"
        )
    network = scene.discriminator
    parameter = next(network.parameters())
    conditional = takes_labels(network)

    @torch.inference_mode()
    def logits(images: Array, labels: Array) -> Tensor:
        # One at a time: what compares the samples of a batch would judge by company.
        given = to_network(torch.from_numpy(images), parameter.device).to(parameter.dtype)
        with at_rest(network):
            return torch.cat(
                [
                    network(one, label).flatten() if conditional else network(one).flatten()
                    for one, label in zip(
                        given.split(1), torch.from_numpy(labels).split(1), strict=True
                    )
                ]
            ).float()

    z, labels = version.as_fed(version.inputs(range(CALIBRATED)))
    own = version.run(z, labels, np.ones(len(z), np.float32))
    threshold = logits(own, labels).quantile(WORST).item()

    def judge(images: Array, labels: Array) -> list[str | None]:
        return [
            "the discriminator takes it for an artifact" if logit < threshold else None
            for logit in logits(images, labels).tolist()
        ]

    return judge
