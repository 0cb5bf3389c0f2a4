"""Published networks as features: InceptionV3, VGG16, CLIP and DINOv2 as torch-fidelity has them.

Only tensors reach torch-fidelity, which would run what else is pickled in a file of weights.
"""

from __future__ import annotations

import re
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sparring.errors import InputError, did_you_mean
from sparring.metrics.extractor import Extractor, finite
from sparring.metrics.kept import digest_of
from sparring.metrics.weights import download, read_weights, sha256
from sparring.training.precision import choose_device

PART = 32  # images at a time: the first activations of one take 12 MB
THEIRS = {"inception": "inception-v3-compat"}  # the other names are torch-fidelity's own


class Published(NamedTuple):
    """A file of weights; `digest` begins its SHA-256."""

    url: str
    file: str
    digest: str


def is_published(name: str) -> bool:
    """Whether a name is meant for these features, known or not."""
    return name in ("inception", "vgg16") or name.startswith(("clip-", "dinov2-"))


def published_features(name: str, shape: tuple[int, ...], weights: Path | None) -> Extractor:
    """The features of a published network, with weights from a file or from its server."""
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise InputError(
            f"features `{name}` read grey or RGB images, not samples of {shape}",
            "choose features=auto",
        )
    flags: tuple[str, ...] = ()
    if name.startswith("dinov2-"):
        network, digest = _dinov2(name, weights)
    else:
        _class(name)  # before anything is downloaded
        published = _published(name)
        file = weights or download(name, *published)
        digest = sha256(file)
        network = _from_file(name, file, digest)
        if not digest.startswith(published.digest):
            flags = (f"weights `{file.name}` are not the published ones (SHA-256 {digest[:16]}…)",)
    size = getattr(network, "resolution", None) or network.INPUT_IMAGE_SIZE
    device = choose_device("auto")
    network.to(device)

    def function(images: Tensor) -> Tensor:
        return finite(network(images.expand(-1, 3, -1, -1).to(device))[0], name)

    def classify(features: Tensor) -> Tensor:
        """Inception's logits without the bias, of which the inception score is made."""
        return (features.to(device) @ network.fc.weight.T).cpu()

    layer = network.features_list[0]
    return Extractor(
        name,
        f"{layer} of torch-fidelity's {network.name}",
        f"{'grey repeated to RGB, ' if shape[0] == 1 else ''}bilinear to {size}x{size}",
        function,
        classify if name == "inception" else None,
        flags,
        f"{network.name} {layer} {digest}",
        PART,
    )


def _class(name: str) -> Any:
    """The class of torch-fidelity that makes these features."""
    try:
        from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY as REGISTRY
    except ImportError:
        raise InputError(
            f"features `{name}` need torch-fidelity", "pip install 'sparring[metrics]'"
        ) from None
    if THEIRS.get(name, name) not in REGISTRY:
        known = [theirs for theirs in REGISTRY if is_published(theirs)]
        raise InputError(f"there are no features `{name}`", did_you_mean(name, known))
    return REGISTRY[THEIRS.get(name, name)]


def _published(name: str) -> Published:
    if name.startswith("clip-"):
        from torch_fidelity.feature_extractor_clip import MODEL_METADATA, MODEL_URLS

        digest = MODEL_METADATA[name]["hash"]
        return Published(MODEL_URLS[name], f"{name}-{digest}.pt", digest)
    if name == "inception":
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

        url = URL_INCEPTION_V3
    else:
        from torchvision.models import VGG16_Weights

        url = VGG16_Weights.IMAGENET1K_V1.url
    file = url.rpartition("/")[2]
    return Published(url, file, re.findall(r"-([0-9a-f]{8,})\.", file)[-1])


@lru_cache(maxsize=1)
def _from_file(name: str, file: Path, digest: str) -> Any:
    """The network with the weights of a file, kept for the next score."""
    if name.startswith("clip-") and digest == _published(name).digest:
        state = torch.jit.load(file, map_location="cpu").state_dict()  # a program, but a known one
    else:
        state = read_weights(file)
    try:
        network = _clip(name, state) if name.startswith("clip-") else _plain(name, state)
    except (RuntimeError, KeyError, ValueError, IndexError, AttributeError) as error:
        lines = str(error).strip().splitlines()
        told = lines[1].strip() if lines[1:] else f"{type(error).__name__}: {error}"
        raise InputError(
            f"weights `{file}` do not fit the network of features `{name}`: {told[:120]}",
            f"give those of {_published(name).url}",
        ) from None
    return network.to(memory_format=torch.channels_last)  # four times as fast on a CPU


def _plain(name: str, state: dict[str, Tensor]) -> Any:
    buffer = BytesIO()  # so that what torch-fidelity opens was written here
    torch.save(state, buffer)
    buffer.seek(0)
    make = _class(name)
    layer = make.get_default_feature_layer_for_metric("fid")
    return make(THEIRS.get(name, name), [layer], feature_extractor_weights_path=buffer)


def _clip(name: str, state: dict[str, Tensor]) -> Any:
    """CLIP's image network as its constructor makes it, which reads nothing but programs."""
    from torch_fidelity.feature_extractor_clip import build_model

    make = _class(name)
    network = make.__new__(make)
    super(make, network).__init__(name, ["clip"])
    network.feature_extractor_internal_dtype = torch.float32
    network.model = build_model(dict(state), torch.float32)
    network.resolution = network.model.visual.input_resolution
    return network


def _dinov2(name: str, weights: Path | None) -> tuple[Any, str]:
    """The network as PyTorch Hub makes it, and the hash of its weights."""
    if weights is not None:
        raise InputError(
            f"torch-fidelity reads no file of weights for features `{name}`",
            "leave --weights out, where there is a network; or choose inception, vgg16 or clip-*",
        )
    make = _class(name)
    try:
        network = make(name, ["dinov2"])
    except Exception as error:  # the code of another repository may raise anything
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"features `{name}` need the repository facebookresearch/dinov2 and its weights, "
            f"which cannot be had from https://github.com/facebookresearch/dinov2 ({reason})",
            "use it once where there is a network: no file can be given for it. Or choose "
            "inception, vgg16 or clip-* with --weights",
        ) from None
    return network, digest_of(network.state_dict())
