"""A generator of which everything is known."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sparring.model import Model
from sparring.onnx_export import export_onnx
from sparring.serving.sources import open_source
from sparring.serving.version import Version


class Linear(nn.Module):
    """Images [N, 1, 4, 4] of which each pixel is a sum of latents."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        self.layer.weight = nn.Parameter(weight)

    def forward(self, z: Tensor) -> Tensor:
        return self.layer(z).view(-1, 1, 4, 4)


def linear(path: Path, weight: Tensor, uint8: bool = False, **more: Any) -> Version:
    """A version of that generator, warm."""
    config = {
        "recipe": "linear",
        "latent": {"size": weight.shape[1], "prior": "normal"},
        "shape": [1, 4, 4],
        "images": True,
    }
    model = Model(Linear(weight).eval().requires_grad_(False), config | more)
    export_onnx(model, path, uint8)
    source = open_source(str(path))
    version = Version(source)
    version.warm_up()
    return version
