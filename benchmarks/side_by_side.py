"""Many copies of the moments program at once, as one batched computation.

A copy costs minutes, most of it the overhead of small operations; thirty side by side cost hardly
more. `difference_from_the_program` shows that a copy does what benchmarks/tutorial.py does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy

from benchmarks import tutorial

BATCH, MOMENTUM = 500, 0.9


@dataclass(frozen=True)
class Setting:
    """What a copy draws its real numbers from, its rate, and its moves of D and G in a round."""

    seed: int
    mean: float = 4.0
    std: float = 1.25
    rate: float = 1e-3
    moves: tuple[int, int] = (20, 20)


class Copies:
    """Copies of the program, one a setting."""

    def __init__(self, settings: Sequence[Setting]) -> None:
        pairs = [started(setting.seed) for setting in settings]
        self.generator = stacked([generator for generator, _ in pairs])
        self.discriminator = stacked([discriminator for _, discriminator in pairs])
        self.speed = {id(p): torch.zeros_like(p) for p in self.generator + self.discriminator}
        self.mean, self.std, self.rate = (
            torch.tensor([getattr(setting, key) for setting in settings])[:, None, None]
            for key in ("mean", "std", "rate")
        )
        self.moves = torch.tensor([setting.moves for setting in settings])
        self.labels = torch.tensor([1.0, 0.0]).expand(len(settings), 2)

    def rounds(self, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Train; gives both losses [copies] after each round."""
        size = (len(self.mean), BATCH, 1)
        most_d, most_g = self.moves.max(0).values.tolist()
        for _ in range(count):
            for move in range(most_d):
                real = torch.randn(size) * self.std + self.mean
                with torch.no_grad():
                    fake = self.numbers(torch.rand(size))
                judged = self.judge(torch.cat([moments(real), moments(fake)], 1))
                losses = binary_cross_entropy(judged, self.labels, reduction="none").sum(1)
                self.move(self.discriminator, losses, move < self.moves[:, 0])
            for move in range(most_g):
                judged = self.judge(moments(self.numbers(torch.rand(size))))
                losses_g = binary_cross_entropy(judged, self.labels[:, :1], reduction="none").sum(1)
                self.move(self.generator, losses_g, move < self.moves[:, 1])
            yield losses.detach(), losses_g.detach()

    def numbers(self, z: Tensor) -> Tensor:
        """What the generators make of noise [copies, N, 1]."""
        return through(self.generator, z, torch.tanh)

    def judge(self, four: Tensor) -> Tensor:
        """The discriminators' probabilities [copies, M] of moments [copies, M, 4]."""
        return through(self.discriminator, four, torch.sigmoid).sigmoid().squeeze(2)

    def move(self, weights: list[Tensor], losses: Tensor, moving: Tensor) -> None:
        """One step of SGD with momentum for the copies that are moving.

        The gradient of the sum is each copy's own: they share no weights.
        """
        gradients = torch.autograd.grad(losses.sum(), weights)
        everyone = bool(moving.all())
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                speed = self.speed[id(weight)]
                new = speed * MOMENTUM + gradient
                if everyone:
                    speed.copy_(new)
                    weight.sub_(self.rate * new)
                else:
                    speed[moving] = new[moving]
                    weight[moving] -= (self.rate * new)[moving]


def moments(numbers: Tensor) -> Tensor:
    """The four moments [copies, 1, 4] of numbers [copies, N, 1]."""
    mean = numbers.mean(1, keepdim=True)
    differences = numbers - mean
    std = differences.square().mean(1, keepdim=True).sqrt()
    scores = differences / std
    squares = scores.square()
    third, fourth = ((squares * x).mean(1, keepdim=True) for x in (scores, squares))
    return torch.cat([mean, std, third, fourth - 3], 2)


def started(seed: int) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(seed)
    return tutorial.moment_networks()


def stacked(networks: list[nn.Module]) -> list[Tensor]:
    """Weights [copies, in, out] and biases [copies, 1, out], layer by layer."""
    layers = [[m for m in network if isinstance(m, nn.Linear)] for network in networks]
    found = []
    for same in zip(*layers, strict=True):
        found += [
            torch.stack([layer.weight.detach().T for layer in same]),
            torch.stack([layer.bias.detach()[None] for layer in same]),
        ]
    return [weight.contiguous().requires_grad_() for weight in found]


def through(weights: list[Tensor], x: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
    """A stack of networks on x [copies, N, in]; the last layer is linear."""
    for place in range(0, len(weights), 2):
        x = torch.baddbmm(weights[place + 1], x, weights[place])
        x = activation(x) if place + 2 < len(weights) else x
    return x


def difference_from_the_program(rounds: int = 5) -> float:
    """The largest difference of any weight after the same rounds of one copy and the program."""
    copies = Copies([Setting(0)])
    for _ in copies.rounds(rounds):
        pass
    networks = started(0)
    for _ in tutorial.moment_rounds(*networks, rounds=rounds):
        pass
    ours = copies.generator + copies.discriminator
    theirs = [weight for network in networks for weight in stacked([network])]
    return max((a - b).abs().max().item() for a, b in zip(ours, theirs, strict=True))
