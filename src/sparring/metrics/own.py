"""Features of the user's own network, named as module:attribute."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sparring.data import Dataset, to_network
from sparring.errors import InputError, said_by
from sparring.lookup import find
from sparring.metrics.extractor import Extractor, finite
from sparring.metrics.kept import digest_of
from sparring.networks.layers import seeded

TRIED = 8  # samples it is tried on
PART = 64  # samples it is given at a time
CPU = torch.device("cpu")
WANTED = "images [N, C, H, W] in [-1, 1], or vectors [N, D], become features [N, F]"


def own_features(name: str, dataset: Dataset) -> Extractor:
    """What a `torch.nn.Module`, or a constructor of one, makes of samples; it is tried at once.

    Features are kept under what it makes of the first samples: changed code or weights show there.
    """
    network = _network(name).eval()

    def function(samples: Tensor) -> Tensor:
        return finite(network(to_network(samples, CPU)), name)

    tried = dataset.values[:TRIED]
    try:
        with torch.inference_mode(), seeded(0):  # lazy layers draw their weights here
            features: Any = network(to_network(tried, CPU))
    except Exception as error:  # a network of the user's own may raise anything
        raise InputError(
            f"features `{name}` cannot look at samples of {dataset.shape}: {said_by(error)}", WANTED
        ) from error
    if not isinstance(features, Tensor) or not features.is_floating_point():
        raise InputError(f"features `{name}` are no tensor of numbers", WANTED)
    if features.dim() != 2 or len(features) != len(tried):
        raise InputError(
            f"features `{name}` of {len(tried)} samples have the shape {tuple(features.shape)}",
            WANTED,
        )
    return Extractor(
        name,
        f"output ({features.shape[1]})",
        "none",
        function,
        key=f"{name} {digest_of({'tried': features})}",
        part=PART,
    )


def _network(name: str) -> nn.Module:
    found = find({}, name, "features")
    try:
        with seeded(0):  # weights that are drawn are the same in the next program
            network = found if isinstance(found, nn.Module) else found()
    except Exception as error:
        raise InputError(
            f"features `{name}` cannot be made: {said_by(error)}",
            "name a torch.nn.Module, or what makes one without arguments",
        ) from error
    if not isinstance(network, nn.Module):
        raise InputError(
            f"features `{name}` are no torch.nn.Module but {type(network).__name__}",
            "name a torch.nn.Module, or what makes one without arguments",
        )
    return network
