"""A GAN in the plane from networks and a penalty of one's own, in one file.

    python examples/two_d_gan.py [--steps 3000] [--out runs/two-d]

Eight Gaussians on a ring are learned by a critic with the Wasserstein loss, whose slope a penalty
keeps near 1 between real and generated points (Gulrajani et al., 2017). The run folder has all
that any other has; a picture of the samples is saved beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import sparring
from sparring.data import open_data
from sparring.objectives import LOSSES, Term
from sparring.recipe import Data
from sparring.report import samples_picture, save_png


class Generator(nn.Module):
    """z [N, latent_size] to points [N, 2]."""

    def __init__(self, latent_size: int, shape: tuple[int, ...], width: int = 128) -> None:
        super().__init__()
        self.first = nn.Linear(latent_size, width)
        self.second = nn.Linear(width, width)
        self.last = nn.Linear(width, shape[0])

    def forward(self, z: Tensor) -> Tensor:
        hidden = self.first(z).relu()
        return self.last(hidden + self.second(hidden).relu())


def critic(shape: tuple[int, ...], width: int = 128) -> nn.Module:
    """Points [N, 2] to logits [N, 1]; any callable that makes a module will do."""
    layers: list[nn.Module] = [nn.Linear(shape[0], width), nn.SiLU()]
    layers += [nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1)]
    return nn.Sequential(*layers)


def slope_near_one(batch: Any) -> Tensor:
    """(‖∇D‖ - 1)² at a point between each real and each generated one [N]."""
    share = torch.rand(len(batch.real), 1, generator=batch.move.draw("between"))
    between = torch.lerp(batch.real, batch.fake, share).requires_grad_()
    logits = batch.game.players["discriminator"](between)
    (gradients,) = torch.autograd.grad(logits.sum(), between, create_graph=True)
    return (gradients.norm(dim=1) - 1).square()


def main() -> None:
    parser = argparse.ArgumentParser(description="A GAN in the plane from parts of one's own.")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--out", type=Path, default=Path("runs/two-d"))
    options = parser.parse_args()
    run = sparring.train(
        "ring",
        out=options.out,
        generator=Generator,
        discriminator=critic,
        loss=LOSSES["wasserstein"],
        penalties=[Term("slope near one", slope_near_one, weight=1.0)],
        overrides={"steps": options.steps, "penalties": [], "repeats.discriminator": 2},
    )
    real = open_data(Data(name="ring")).split("test")[:2000]
    picture = options.out / "two-d.png"
    save_png(samples_picture(run.sample(2000), real, "Eight Gaussians"), picture)
    print(run.summary["best"]["metrics"]["modes"]["flags"][0])
    print(picture)


if __name__ == "__main__":
    main()
