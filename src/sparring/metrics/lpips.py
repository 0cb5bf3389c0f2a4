"""LPIPS with VGG16 (Zhang et al., 2018), as features whose squared distance it is."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from sparring.errors import InputError
from sparring.metrics.features import Extractor

NAME = "lpips-vgg16"
# The published files: what torchvision and torch-fidelity download.
VGG16_URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
LPIPS_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-vgg16-lpips.pth"
)
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
SMALLEST, LARGEST = 64, 256  # pixels a side that the network sees
MEAN, STD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of images in [-1, 1]


class LPIPS(nn.Module):
    """Colour or grey images [N, C, H, W] in [-1, 1] to features [N, F].

    In each of five stages of VGG16 the channels of a pixel are scaled to unit length, then by the
    root of their LPIPS weight over the number of pixels.
    """

    def __init__(self) -> None:
        super().__init__()
        stages, before = [], 3
        for place, widths in enumerate(STAGES):
            layers: list[nn.Module] = [nn.MaxPool2d(2)] if place else []
            for width in widths:
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                before = width
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)
        for place, widths in enumerate(STAGES):
            self.register_buffer(f"weight{place}", torch.empty(widths[-1]))
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = _resized((x.expand(-1, 3, -1, -1) - self.get_buffer("mean")) / self.get_buffer("std"))
        found = []
        for place, stage in enumerate(self.stages):
            x = stage(x)
            unit = x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
            scale = (self.get_buffer(f"weight{place}") / x[0, 0].numel()).sqrt()
            found.append((unit * scale.view(1, -1, 1, 1)).flatten(1))
        return torch.cat(found, dim=1)


def lpips_features(weights: Path | None = None) -> Extractor:
    """LPIPS as features, from a folder that holds both published files.

    None: the folder of torch.hub, where torch-fidelity's own downloads are.
    """
    network = load_lpips(weights or Path(torch.hub.get_dir()) / "checkpoints")

    def function(images: Tensor) -> Tensor:
        x = images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images
        with torch.inference_mode():
            return network(x)

    resize = f"to {SMALLEST}x{SMALLEST} where smaller, {LARGEST}x{LARGEST} where larger"
    layer = "LPIPS: five stages of VGG16"
    return Extractor(NAME, layer, resize, function, of_floats=function)


def lpips_if_there(folder: Path | None) -> Extractor | None:
    """LPIPS where its files are: in a folder that was named, else in that of torch.hub."""
    usual = Path(torch.hub.get_dir()) / "checkpoints"
    files = [usual / url.rpartition("/")[2] for url in (VGG16_URL, LPIPS_URL)]
    if folder is None and not all(file.is_file() for file in files):
        return None
    return lpips_features(folder)


def load_lpips(folder: Path) -> LPIPS:
    """The network with the weights of a folder; InputError says what is missing or wrong."""
    vgg16 = _read(folder, VGG16_URL)
    linear = _read(folder, LPIPS_URL)
    network = LPIPS()
    ours = [key for key in network.state_dict() if key.startswith("stages.")]
    # VGG16's own numbering goes on through all stages; ours starts anew in each.
    theirs = [key for key in vgg16 if key.startswith("features.")]
    state = {own: vgg16[name] for own, name in zip(ours, theirs, strict=False)}
    try:
        for k in range(len(STAGES)):
            state[f"weight{k}"] = linear[f"lin{k}.model.1.weight"].flatten()
        network.load_state_dict(state)
    except (KeyError, RuntimeError, AttributeError):
        raise InputError(
            f"the weights in `{folder}` are not those of LPIPS with VGG16",
            f"download them again: {VGG16_URL} and {LPIPS_URL}",
        ) from None
    if any(network.get_buffer(f"weight{k}").min() < 0 for k in range(len(STAGES))):
        raise InputError(
            f"the LPIPS weights in `{folder}` are below 0", f"download them again: {LPIPS_URL}"
        )
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _read(folder: Path, url: str) -> dict[str, Tensor]:
    """The tensors of a downloaded file, never unpickled freely."""
    path = folder / url.rpartition("/")[2]
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(found, dict):
            raise ValueError("it holds no tensors by name")
        return found
    except FileNotFoundError:
        raise InputError(f"`{path}` is missing", f"download it there from {url}") from None
    except (OSError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"`{path}` holds no plain weights: {reason}", f"download it again from {url}"
        ) from None


def _resized(x: Tensor) -> Tensor:
    """Images enlarged to SMALLEST (straight lines between pixels) or averaged down to LARGEST."""
    if x.shape[-1] < SMALLEST:
        return interpolate(x, (SMALLEST, SMALLEST), mode="bilinear", align_corners=False)
    if x.shape[-1] > LARGEST:
        return interpolate(x, (LARGEST, LARGEST), mode="area")
    return x
