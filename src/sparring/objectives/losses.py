"""The adversarial losses, each one family for both players, on logits.

A loss says what it costs the discriminator to give a logit to a real and to a fake sample. Label
smoothing and relativistic pairing are built from these two parts alone, for any loss. At equal
logits of 0 the logistic losses are 2 log 2 = 1.386 (discriminator: the *sum* over real and fake)
and log 2 = 0.693 (generator).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from sparring import ranks
from sparring.errors import InputError

Elementwise = Callable[[Tensor], Tensor]
Pairing = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Loss:
    """`real` and `fake` are the discriminator's cost of a logit, `generator` the generator's.

    `saturating` makes the generator's cost the negative of the discriminator's (the minimax game).
    `probabilistic` says that the sigmoid of a logit is a probability worth showing;
    `shift_invariant` that only differences of logits mean anything, so that 0 is no boundary.
    """

    real: Elementwise
    fake: Elementwise
    generator: Elementwise
    saturating: bool = False
    probabilistic: bool = True
    shift_invariant: bool = False


LOSSES: dict[str, Loss] = {
    # Goodfellow et al., 2014: -log σ(r) - log(1 - σ(f)); generator -log σ(f).
    "logistic": Loss(lambda r: softplus(-r), softplus, lambda f: softplus(-f)),
    # The same game as minimax: generator log(1 - σ(f)).
    "logistic-saturating": Loss(
        lambda r: softplus(-r), softplus, lambda f: -softplus(f), saturating=True
    ),
    # Lim and Ye, 2017; Miyato et al., 2018: max(0, 1 - r) + max(0, 1 + f); generator -f.
    "hinge": Loss(lambda r: relu(1 - r), lambda f: relu(1 + f), lambda f: -f, probabilistic=False),
    # Mao et al., 2017, with a = -1, b = c = 1: (r - 1)² + (f + 1)²; generator (f - 1)². The 0-1
    # coding is the same with logits (l + 1) / 2 and a quarter of the value; this one has its
    # decision boundary at 0 like every other loss here.
    "least-squares": Loss(
        lambda r: (r - 1).square(),
        lambda f: (f + 1).square(),
        lambda f: (f - 1).square(),
        probabilistic=False,
    ),
    # Arjovsky et al., 2017: f - r; generator -f.
    "wasserstein": Loss(
        lambda r: -r, lambda f: f, lambda f: -f, probabilistic=False, shift_invariant=True
    ),
}


# Jolicoeur-Martineau, 2019: a logit says how much more real a sample is than its opponent ...
PAIRINGS: dict[str, Pairing | None] = {
    "standard": None,
    "relativistic-paired": lambda r, f: (r - f, f - r),
    "relativistic-average": lambda r, f: (r - ranks.mean(f.mean()), f - ranks.mean(r.mean())),
}


@dataclass(frozen=True)
class Objective:
    """A loss with its pairing and label smoothing: what both players minimize.

    Smoothing s replaces the cost of a real logit by its mean over labels that are wrong with
    probability s, which for the logistic loss is cross-entropy with target 1 - s. One-sided
    (`smooth_real` only) is the published advice (Salimans et al., 2016).
    """

    loss: Loss
    pairing: Pairing | None = None
    smooth_real: float = 0.0
    smooth_fake: float = 0.0
    couples_batch: bool = False

    @property
    def shift_invariant(self) -> bool:
        return self.loss.shift_invariant or self.pairing is not None

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator's loss for each pair of logits [N]: its real plus its fake part."""
        if self.pairing:
            real, fake = self.pairing(real, fake)
        of_real = _mixed(self.loss.real, self.loss.fake, self.smooth_real, real)
        return of_real + _mixed(self.loss.fake, self.loss.real, self.smooth_fake, fake)

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """The generator's loss for each logit [N]; real logits count with a pairing only.

        With a pairing it is the discriminator's loss with the roles exchanged, both parts summed
        (twice R3GAN's single term for the logistic loss), or its negative when saturating.
        """
        if self.pairing is None:
            return self.loss.generator(fake)
        assert real is not None
        real, fake = self.pairing(real, fake)
        if self.loss.saturating:
            return -(self.loss.real(real) + self.loss.fake(fake))
        return self.loss.real(fake) + self.loss.fake(real)

    def equilibrium(self) -> dict[str, float]:
        """Both losses where the discriminator cannot tell: all logits 0."""
        zero = torch.zeros(1)
        return {
            "loss/discriminator": self.discriminator(zero, zero).item(),
            "loss/generator": self.generator(zero, zero).item(),
        }


def _mixed(right: Elementwise, wrong: Elementwise, share: float, logits: Tensor) -> Tensor:
    """The cost of logits whose labels are wrong with probability `share`."""
    if share == 0:
        return right(logits)
    return (1 - share) * right(logits) + share * wrong(logits)


def objective(
    loss: Loss, pairing: str = "standard", smooth_real: float = 0.0, smooth_fake: float = 0.0
) -> Objective:
    """The objective of a loss under a pairing by name; InputError for a name there is not."""
    if pairing not in PAIRINGS:
        raise InputError(
            f"loss.pairing: there is no `{pairing}`", f"choose one of: {', '.join(PAIRINGS)}"
        )
    couples = pairing == "relativistic-average"
    return Objective(loss, PAIRINGS[pairing], smooth_real, smooth_fake, couples)
