"""Each finding by its code; of causes that show alike, the likelier one first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sparring.referee import (
    averaged,
    balance,
    collapse,
    copies,
    labels,
    nonfinite,
    pace,
    units,
    warned,
)
from sparring.referee.facts import Facts
from sparring.referee.finding import Finding
from sparring.referee.look import Look

Find = Callable[[Facts, Sequence[Look]], Finding | None]

FINDINGS: dict[str, Find] = {
    "nonfinite": nonfinite.find,
    "exploding": pace.exploding,
    "swapped-labels": balance.swapped_labels,
    "output-range": units.output_range,
    "saturated-outputs": units.saturated_outputs,
    "dead-units": units.dead_units,
    "tiny-batch-norm": units.tiny_batch_norm,
    "memorization": copies.memorization,
    "learning-rate-high": pace.learning_rate_high,
    "learning-rate-low": pace.learning_rate_low,
    "discriminator-overpowers": balance.discriminator_overpowers,
    "vanishing-gradients": balance.vanishing_gradients,
    "generator-overpowers": balance.generator_overpowers,
    "mode-collapse": collapse.complete,
    "partial-collapse": collapse.partial,
    "oscillation": pace.oscillation,
    "discriminator-overfitting": copies.discriminator_overfitting,
    "labels-ignored": labels.labels_ignored,
    "ema-behind": averaged.ema_behind,
    "stalled": pace.stalled,
    "warning-came-true": warned.came_true,
    "near-equilibrium": averaged.near_equilibrium,
}
