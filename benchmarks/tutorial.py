"""The tutorials' programs, written anew: what a learner would run without this package.

They do what the teaching documents' programs do, slow habits included, and nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

# Widths of generator and discriminator at each size, as multiples of the maps.
DCGAN_SCALES = {
    64: ((8, 4, 2, 1), (1, 2, 4, 8)),
    32: ((4, 2, 1), (1, 2, 4)),
    28: ((2, 1), (1, 2, 4)),
}


class PictureDataset(Dataset):
    """Like torchvision's data sets: a PIL image for each sample, transformed on its own."""

    def __init__(
        self, images: Tensor, labels: Tensor | None = None, size: int | None = None
    ) -> None:
        channels = images.shape[1]
        self.arrays = images.squeeze(1) if channels == 1 else images.permute(0, 2, 3, 1)
        self.mode = "L" if channels == 1 else "RGB"
        self.labels = torch.zeros(len(images), dtype=torch.long) if labels is None else labels
        half = (0.5,) * channels
        self.transform = transforms.Compose(
            [
                *([transforms.Resize(size)] if size else []),
                transforms.ToTensor(),
                transforms.Normalize(half, half),
            ]
        )

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.arrays[index].numpy(), mode=self.mode)
        return self.transform(picture), int(self.labels[index])


def mlp_networks(latent: int = 100, pixels: int = 784) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator of the MNIST example, the latter up to a probability."""
    widths = [latent, 256, 512, 1024]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.2), nn.BatchNorm1d(after)]
    generator = nn.Sequential(*layers, nn.Linear(1024, pixels), nn.Tanh())
    layers = []
    for before, after in pairwise([pixels, 512, 256]):
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.2), nn.Dropout(0.3)]
    discriminator = nn.Sequential(nn.Flatten(), *layers, nn.Linear(256, 1), nn.Sigmoid())
    return generator, discriminator


def dcgan_networks(
    latent: int = 100, maps: int = 64, channels: int = 3, size: int = 64
) -> tuple[nn.Module, ...]:
    """Generator and discriminator of the 64x64 DCGAN example, N(0, 0.02) weights.

    With 32 pixels each has a layer less; with 28 they begin with 7x7 and end with 3x3.
    """
    widths, widths_d = ([maps * scale for scale in scales] for scales in DCGAN_SCALES[size])
    first, last = size >> len(widths), size >> len(widths_d)
    layers: list[nn.Module] = [nn.Unflatten(1, (latent, 1, 1))]
    for place, (before, after) in enumerate(pairwise([latent, *widths])):
        kernel, stride, padding = (4, 2, 1) if place else (first, 1, 0)
        layers.append(nn.ConvTranspose2d(before, after, kernel, stride, padding, bias=False))
        layers += [nn.BatchNorm2d(after), nn.ReLU(True)]
    layers += [nn.ConvTranspose2d(maps, channels, 4, 2, 1, bias=False), nn.Tanh()]
    generator = nn.Sequential(*layers)
    layers = []
    for place, (before, after) in enumerate(pairwise([channels, *widths_d])):
        layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=False))
        layers += [nn.BatchNorm2d(after)] if place else []
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    layers += [nn.Conv2d(widths_d[-1], 1, last, 1, 0, bias=False), nn.Sigmoid(), nn.Flatten()]
    discriminator = nn.Sequential(*layers)
    for network in (generator, discriminator):
        network.apply(_dcgan_start)
    return generator, discriminator


def _dcgan_start(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)


def picture_steps(
    images: Tensor,
    generator: nn.Module,
    discriminator: nn.Module,
    latent: int,
    batch_size: int,
    size: int | None = None,
) -> Iterator[tuple[float, float]]:
    """Train on uint8 images [N, C, H, W] for ever; gives both losses after each step.

    Images are brought to `size`, where that is given.
    """
    pictures = PictureDataset(images, size=size)
    loader = DataLoader(pictures, batch_size=batch_size, shuffle=True)
    criterion = nn.BCELoss()
    optimizer_d, optimizer_g = (
        torch.optim.Adam(player.parameters(), lr=2e-4, betas=(0.5, 0.999))
        for player in (discriminator, generator)
    )
    shape = pictures[0][0].shape
    while True:
        for real, _ in loader:
            ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
            optimizer_d.zero_grad()
            on_real = criterion(discriminator(real), ones)
            fake = generator(torch.randn(len(real), latent)).view(-1, *shape)
            loss_d = on_real + criterion(discriminator(fake.detach()), zeros)
            loss_d.backward()
            optimizer_d.step()
            optimizer_g.zero_grad()
            fake = generator(torch.randn(len(real), latent)).view(-1, *shape)
            loss_g = criterion(discriminator(fake), ones)
            loss_g.backward()
            optimizer_g.step()
            yield loss_d.item(), loss_g.item()


def _relu_mlp(widths: list[int]) -> nn.Module:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    for weight in network.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, 0, 0.02)
    return network


def number_networks(latent: int = 20) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator of the 1-D example."""
    return _relu_mlp([latent, 32, 32, 1]), _relu_mlp([1, 32, 64, 32, 1])


def number_steps(
    generator: nn.Module,
    discriminator: nn.Module,
    steps: int = 3000,
    batch_size: int = 512,
    latent: int = 20,
) -> Iterator[tuple[float, float]]:
    """The 1-D program on N(3, 2): gives both losses (D's as an average) after each step."""
    criterion = nn.BCEWithLogitsLoss()
    players = (discriminator, 1e-3), (generator, 5e-4)
    optimizer_d, optimizer_g = (torch.optim.Adam(p.parameters(), lr=lr) for p, lr in players)
    schedules = [
        torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.001, total_iters=steps)
        for optimizer in (optimizer_d, optimizer_g)
    ]
    for _ in range(steps):
        real = torch.randn(batch_size, 1) * 2 + 3
        fake = generator(torch.randn(batch_size, latent)).detach()
        optimizer_d.zero_grad()
        labels = torch.cat([torch.ones_like(real), torch.zeros_like(fake)])
        loss_d = criterion(discriminator(torch.cat([real, fake])), labels)
        loss_d.backward()
        optimizer_d.step()
        schedules[0].step()
        optimizer_g.zero_grad()
        logits = discriminator(generator(torch.randn(batch_size, latent)))
        loss_g = criterion(logits, torch.ones_like(logits))
        loss_g.backward()
        optimizer_g.step()
        schedules[1].step()
        yield loss_d.item(), loss_g.item()


def moment_networks() -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator of the moments example, the latter up to a probability."""
    generator = nn.Sequential(
        *(nn.Linear(1, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 1))
    )
    layers: list[nn.Module] = []
    for before, after in pairwise([4, 10, 10, 1]):
        layers += [nn.Linear(before, after), nn.Sigmoid()]
    return generator, nn.Sequential(*layers)


def four_moments(numbers: Tensor) -> Tensor:
    """Mean, standard deviation, skewness and excess kurtosis [4] of numbers [N, 1]."""
    mean = numbers.mean()
    differences = numbers - mean
    std = differences.pow(2).mean().sqrt()
    scores = differences / std
    return torch.stack([mean, std, scores.pow(3).mean(), scores.pow(4).mean() - 3])


def moment_rounds(
    generator: nn.Module, discriminator: nn.Module, rounds: int = 5000, moves: int = 20
) -> Iterator[tuple[float, float]]:
    """The moments program on N(4, 1.25): gives both losses after each round of 20 + 20 moves."""
    criterion, batch_size = nn.BCELoss(), 500
    one, zero = torch.ones(1), torch.zeros(1)
    optimizer_d, optimizer_g = (
        torch.optim.SGD(player.parameters(), lr=1e-3, momentum=0.9)
        for player in (discriminator, generator)
    )
    for _ in range(rounds):
        for _ in range(moves):
            optimizer_d.zero_grad()
            real = torch.randn(batch_size, 1) * 1.25 + 4
            loss_real = criterion(discriminator(four_moments(real)), one)
            loss_real.backward()
            fake = generator(torch.rand(batch_size, 1)).detach()
            loss_fake = criterion(discriminator(four_moments(fake)), zero)
            loss_fake.backward()
            optimizer_d.step()
        for _ in range(moves):
            optimizer_g.zero_grad()
            fake = generator(torch.rand(batch_size, 1))
            loss_g = criterion(discriminator(four_moments(fake)), one)
            loss_g.backward()
            optimizer_g.step()
        yield loss_real.item() + loss_fake.item(), loss_g.item()
