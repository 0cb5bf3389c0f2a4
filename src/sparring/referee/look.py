"""What one look at a run found: numbers only, so that it can be kept and judged again later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

Figures = dict[str, float]


@dataclass(frozen=True)
class Look:
    """Figures of a run at a step; None, or no entry, where something is not known.

    Distances and spreads are in a space of features, and relative: a distance is the energy
    distance to held-out real samples over the mean distance of two of these, 0 where both are
    alike, from about ½ on far away; a diversity is the mean distance of two generated samples over
    that of two real ones. Gradients are those of a batch of the generator's adversarial loss.
    """

    step: int
    samples_seen: int

    # The first statistic that is NaN or infinite, its step, the tensors of players that are by now.
    nonfinite: tuple[str, int, list[str]] | None = None

    # What the history has, over the steps since the last tick.
    losses: Figures = field(default_factory=dict)  # by phase
    grad_norms: Figures = field(default_factory=dict)  # by phase

    # What the discriminator says, at rest, of as many samples of each side: real (of the training
    # data), held_out (real ones it never saw), fake.
    logits: Figures = field(default_factory=dict)  # means
    spreads: Figures = field(default_factory=dict)  # standard deviations of these logits
    accuracy: Figures = field(default_factory=dict)  # share on its side of the boundary
    separation: float | None = None  # P(logit of a held-out sample > that of a fake one)
    overfitting: float | None = None  # P(logit of a training sample > that of a held-out one)
    score_gap: float | None = None  # mean sigmoid of real logits less that of fake ones

    # How the generator learns.
    gradient: float | None = None  # norm over all weights
    gradient_ends: Figures = field(default_factory=dict)  # of the first and of the last weights
    signal: float | None = None  # mean norm of the loss's gradient at each fake sample
    updates: Figures = field(default_factory=dict)  # by player: a step's change over its weights
    travel: Figures = field(default_factory=dict)  # by player: change since the last look, likewise
    dead_units: float | None = None  # share of units that answer to no latent
    saturated: float | None = None  # share of outputs at their bounds
    saturated_real: float | None = None
    limits: tuple[float, float] | None = None  # least and greatest of what is generated
    limits_real: tuple[float, float] | None = None

    # What it makes.
    distance: float | None = None
    distance_average: float | None = None  # of the averaged generator
    diversity: float | None = None
    diversity_average: float | None = None
    spread: float | None = None  # diversity before features: of pixels
    moved: float | None = None  # distance of what it makes now from what it made a look ago
    mean_gap: float | None = None  # of means, in real standard deviations
    scale: float | None = None  # standard deviation over the real one
    shares: list[float] | None = None  # generated samples by class, mode or region
    shares_real: list[float] | None = None
    entropy: float | None = None  # of these shares over that of real ones
    copies: float | None = None  # share nearer to a training sample than unseen ones are
    agreement: float | None = None  # share of the class that was asked for
    agreement_real: float | None = None  # the same of real samples and their labels
    two_sample: float | None = None  # accuracy of telling held-out from averaged ones: ½ = alike
    two_sample_error: float | None = None  # its standard error where both are alike

    def json(self) -> dict[str, Any]:
        """What is known, rounded to what matters."""
        return {
            key: _rounded(value)
            for key, value in asdict(self).items()
            if value is not None and value != {}
        }

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Look:
        """A look that was written down; a number that was not finite is not known."""
        known = {one.name for one in fields(cls)}
        given = {key: _known(value) for key, value in record.items() if key in known}
        return cls(**given)

    def first(self, *names: str) -> float | None:
        """The first loss of any of these phases that is known."""
        return next((self.losses[name] for name in names if name in self.losses), None)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: one for key, one in value.items() if one is not None}
    return value
