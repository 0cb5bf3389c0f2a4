"""A GAN as tutorials write it: plain PyTorch, nothing of this package, losses in a CSV file.

    python tutorial_script.py DIGITS.npz FOLDER [--collapse]

Trains on the images of an npz and writes FOLDER/losses.csv and FOLDER/samples/*.png. With
--collapse the generator makes ten moves for each of a slow discriminator, and need not make more
than what that one likes at the moment.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn, optim


class Generator(nn.Module):
    def __init__(self, noise_size=64):
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(noise_size, 128),
            nn.LeakyReLU(0.2),
            nn.BatchNorm1d(128),
            nn.Linear(128, 256),
            nn.LeakyReLU(0.2),
            nn.BatchNorm1d(256),
            nn.Linear(256, 784),
            nn.Tanh(),
        )

    def forward(self, noise):
        return self.model(noise)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(784, 256),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.3),
            nn.Linear(256, 128),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.3),
            nn.Linear(128, 1),
            nn.Sigmoid(),
        )

    def forward(self, image):
        return self.model(image)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("folder")
    parser.add_argument("--collapse", action="store_true")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    images = torch.from_numpy(np.load(args.data)["samples"]).flatten(1).float() / 127.5 - 1
    batch_size, noise_size = 64, 64
    g_rate, d_rate, g_moves = (2e-3, 2e-4, 10) if args.collapse else (1e-3, 1e-3, 1)
    generator, discriminator = Generator(noise_size), Discriminator()
    g_optimizer = optim.Adam(generator.parameters(), lr=g_rate, betas=(0.5, 0.999))
    d_optimizer = optim.Adam(discriminator.parameters(), lr=d_rate, betas=(0.5, 0.999))
    criterion = nn.BCELoss()

    folder = Path(args.folder)
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    ones, zeros = torch.ones(batch_size, 1), torch.zeros(batch_size, 1)
    with (folder / "losses.csv").open("w", newline="") as file:
        log = csv.writer(file)
        log.writerow(["step", "d_loss", "g_loss", "d_real", "d_fake"])
        for step in range(1, args.steps + 1):
            real = images[torch.randint(len(images), (batch_size,))]
            fake = generator(torch.randn(batch_size, noise_size))

            d_optimizer.zero_grad()
            said_real, said_fake = discriminator(real), discriminator(fake.detach())
            d_loss = (criterion(said_real, ones) + criterion(said_fake, zeros)) / 2
            d_loss.backward()
            d_optimizer.step()

            for _ in range(g_moves):
                g_optimizer.zero_grad()
                fake = generator(torch.randn(batch_size, noise_size))
                g_loss = criterion(discriminator(fake), ones)
                g_loss.backward()
                g_optimizer.step()

            if step % 10 == 0:
                told = [d_loss, g_loss, said_real.mean(), said_fake.mean()]
                log.writerow([step, *(round(value.item(), 5) for value in told)])

    generator.eval()
    with torch.no_grad():
        made = generator(torch.randn(500, noise_size)).view(-1, 28, 28)
    for number, image in enumerate(((made + 1) * 127.5).round().byte().numpy()):
        Image.fromarray(image).save(folder / "samples" / f"{number:04}.png")


if __name__ == "__main__":
    main()
