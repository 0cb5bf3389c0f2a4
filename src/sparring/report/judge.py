"""The discriminator as a function of a point: what it says there and where it points."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparring.networks import takes_labels
from sparring.networks.layers import at_rest
from sparring.objectives import Objective

CHUNK = 4096  # points of one forward pass


class Judge:
    """What a discriminator says of points [N, D], in the numbers that a person is shown.

    A score is the sigmoid of the logit where the loss makes that a probability, else the logit;
    where only differences of logits mean something, they are counted from midway between the mean
    real and generated one, as in the history. loss None (one's own, unknown): like a critic's.
    """

    def __init__(
        self, network: nn.Module, loss: Objective | None, real: Tensor, fake: Tensor
    ) -> None:
        self.network = network
        self.is_probability = loss is not None and loss.loss.probabilistic
        of_real, of_fake = self.logits(real), self.logits(fake)
        floats = loss is None or loss.shift_invariant
        self.boundary = float(of_real.mean() + of_fake.mean()) / 2 if floats else 0.0
        away = (torch.cat([of_real, of_fake]) - self.boundary).abs()
        self._span = float(away.quantile(0.98)) or 1.0

    @property
    def middle(self) -> float:
        """The score at which it cannot tell."""
        return 0.5 if self.is_probability else 0.0

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and the highest score that a picture shows."""
        return (0.0, 1.0) if self.is_probability else (-self._span, self._span)

    @property
    def word(self) -> str:
        return "score" if self.is_probability else "logit"

    def logits(self, points: Tensor) -> Tensor:
        """Logits [N] as the network gives them, evaluated as it is tested: without dropout."""
        with at_rest(self.network), torch.inference_mode():
            return torch.cat([self._call(part) for part in points.split(CHUNK)]).cpu()

    def scores(self, points: Tensor) -> Tensor:
        """Scores [N]."""
        logits = self.logits(points) - self.boundary
        return logits.sigmoid() if self.is_probability else logits

    def gradients(self, points: Tensor) -> Tensor:
        """The gradient of the logit at each point [N, D]: the generator is pushed along it."""
        with at_rest(self.network), torch.enable_grad():
            parameter = next(self.network.parameters())
            at = points.detach().to(parameter.device, parameter.dtype).requires_grad_()
            (gradients,) = torch.autograd.grad(self.network(at.clone()).sum(), at)
            return gradients.float().cpu()

    def _call(self, points: Tensor) -> Tensor:
        parameter = next(self.network.parameters())
        return self.network(points.to(parameter.device, parameter.dtype)).flatten().float()


def judge_of(
    network: nn.Module | None, loss: Objective | None, real: Tensor, fake: Tensor
) -> Judge | None:
    """The judge of vectors [N, D]; None where it says nothing of a single point.

    A network that compares the samples of a batch (moments, minibatch statistics) says something
    else of a point in other company, and a conditional one speaks of a point of some class.
    """
    if network is None or takes_labels(network) or len(real) < 2 or len(fake) < 2:
        return None
    if getattr(network, "packing", 1) > 1:
        return None
    some = torch.cat([real[:8], fake[:8]])
    with at_rest(network), torch.inference_mode():
        parameter = next(network.parameters())
        given = some.to(parameter.device, parameter.dtype)
        whole = network(given).flatten()
        alone = network(given[: len(given) // 2]).flatten()
    if whole.shape != (len(some),) or not torch.allclose(
        whole[: len(alone)], alone, rtol=1e-3, atol=1e-4, equal_nan=True
    ):
        return None
    return Judge(network, loss, real, fake)
