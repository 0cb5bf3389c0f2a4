"""What is trained: short runs that are well, and ways to break them.

A base is a recipe made short. A way changes it: to something that should still train (`broken`
False), or to something that should not. Whether it does is for truth.py to say. What no recipe key
can do is done by parts of one's own (sabotage.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import nn

from benchmarks.referee import sabotage
from sparring.data import Dataset, open_data
from sparring.objectives import Loss
from sparring.recipes import load_recipe

SEEDS = (0, 1, 2)
FRESH = 3  # a seed of held-out settings, recorded when the thresholds were fixed
TICKS = 40  # of a run
Overrides = dict[str, Any]


@dataclass(frozen=True)
class Base:
    """A recipe made short."""

    recipe: str
    steps: int
    overrides: Overrides


@dataclass(frozen=True)
class Way:
    """A change of a base: keys (or what makes them of the base), and parts of one's own.

    `generator` and `discriminator` change a network that was just made; `data` a data set. `causes`
    are the findings that name what was done.
    """

    broken: bool
    keys: Overrides | Callable[[Base], Overrides] = field(default_factory=dict)
    causes: tuple[str, ...] = ()
    generator: Callable[[nn.Module], None] | None = None
    discriminator: Callable[[nn.Module], None] | None = None
    loss: Callable[[], Loss] | None = None
    data: Callable[[Dataset], Dataset] | None = None


@dataclass(frozen=True)
class Setting:
    """One base in one way; `reference` is the setting whose outcome it is compared with."""

    base: str
    way: str
    reference: str

    @property
    def name(self) -> str:
        return f"{self.base}/{self.way}"

    @property
    def broken(self) -> bool:
        """What was intended."""
        return WAYS[self.way].broken

    @property
    def causes(self) -> tuple[str, ...]:
        return WAYS[self.way].causes

    def overrides(self, seed: int) -> Overrides:
        base, way = BASES[self.base], WAYS[self.way]
        keys = way.keys if isinstance(way.keys, Mapping) else way.keys(base)
        steps = keys.get("steps", base.steps)
        common: Overrides = {
            "steps": steps,
            "tick": max(1, steps // TICKS),
            "evaluation.metrics": [],
            "snapshots": 1,
            "checkpoint_seconds": 1000,
            "seed": seed,
        }
        # A base with rates of its own is a recipe of its own, whose name promises no others.
        if any(key.endswith(".lr") for key in base.overrides):
            common["name"] = f"short {self.base}"
        # A network of one's own starts from its own defaults: the recipe's options are named again.
        recipe = load_recipe(base.recipe)
        changed = {"generator": way.generator, "discriminator": way.discriminator}
        for player in [name for name, change in changed.items() if change]:
            options = getattr(recipe, player).options()
            common |= {f"{player}.{key}": value for key, value in options.items()}
        return common | base.overrides | keys

    def parts(self, seed: int) -> dict[str, Any]:
        """What `sparring.train` is given beside the keys."""
        recipe, way = BASES[self.base].recipe, WAYS[self.way]
        given: dict[str, Any] = {}
        if way.generator:
            given["generator"] = sabotage.generator_of(recipe, way.generator)
        if way.discriminator:
            given["discriminator"] = sabotage.discriminator_of(recipe, way.discriminator)
        if way.loss:
            given["loss"] = way.loss()
        if way.data:
            data = load_recipe(recipe, self.overrides(seed)).data
            given["data"] = way.data(open_data(data))
        return given

    def true_data(self) -> Dataset:
        """What the generator was meant to learn."""
        return open_data(load_recipe(BASES[self.base].recipe, self.overrides(0)).data)


def rates(generator: float, discriminator: float, betas: list[float] | None = None) -> Overrides:
    keys: Overrides = {
        "optimizer.generator.lr": generator,
        "optimizer.discriminator.lr": discriminator,
    }
    if betas:
        keys |= {f"optimizer.{one}.betas": betas for one in ("generator", "discriminator")}
    return keys


def rates_times(generator: float, discriminator: float, **more: Any) -> Callable[[Base], Overrides]:
    """The base's own rates times so much."""

    def keys(base: Base) -> Overrides:
        optimizer = load_recipe(base.recipe, base.overrides).optimizer
        changed = rates(
            optimizer.generator.lr * generator, optimizer.discriminator.lr * discriminator
        )
        return changed | more

    return keys


def steps_times(factor: float, **more: Any) -> Callable[[Base], Overrides]:
    return lambda base: {"steps": int(base.steps * factor), **more}


def slim(width: int) -> Overrides:
    return {"generator.width": width, "discriminator.width": width}


EMA: Overrides = {"ema.half_life": 5000, "ema.ramp_up": 0.1}
VECTORS: Overrides = {"generator.width": [128, 128], "discriminator.width": [128, 128]}
BASES: dict[str, Base] = {
    "digits": Base("digits", 500, slim(8) | {"batch_size": 32}),
    "cdcgan": Base("cdcgan", 600, slim(8) | {"batch_size": 32} | rates(2.5e-3, 2.5e-3)),
    "dcgan": Base(
        "dcgan",
        400,
        slim(8)
        | {"generator.output": "convolution", "discriminator.stem": "unshuffle"}
        | {"batch_size": 32, "latent.size": 32}
        | EMA
        | rates(2e-3, 1e-3),
    ),
    "mlp": Base(
        "mlp-mnist",
        800,
        {"generator.width": [128, 256], "discriminator.width": [256, 128], "batch_size": 64}
        | {"latent.size": 32}
        | EMA
        | rates(1e-3, 1e-3),
    ),
    "numbers": Base("gaussian", 2000, {"batch_size": 256}),
    "ring": Base("ring", 1500, VECTORS | {"batch_size": 128, "data.std": 0.1}),
    # Bases of healthy runs only.
    "grid": Base("grid", 2000, VECTORS | {"batch_size": 128, "data.std": 0.2}),
    "cgan": Base(
        "cgan",
        500,
        {"generator.width": [128, 256], "discriminator.width": [256, 128]}
        | {"latent.size": 32}
        | EMA
        | rates(1e-3, 1e-3),
    ),
    "wgan-gp": Base(
        "wgan-gp",
        200,
        slim(8) | EMA | rates(1e-3, 1e-3) | {"batch_size": 32, "repeats.discriminator": 3},
    ),
    "lsgan": Base("lsgan", 400, slim(8) | EMA | {"batch_size": 32}),
    "moments": Base("gaussian-moments", 1000, {}),
}

HIGH_RATE = ("high-rate", "far-rate", "learning-rate-high", "exploding", "oscillation", "nonfinite")
LOW_RATE = ("far-rate", "learning-rate-low", "stalled")
COLLAPSE = ("mode-collapse", "partial-collapse")
D_WINS = ("discriminator-overpowers", "vanishing-gradients")
FADING = ("vanishing-gradients", "dead-units", "saturated-outputs", "stalled")

WAYS: dict[str, Way] = {
    "lr-high": Way(True, rates_times(30, 30), HIGH_RATE),
    "lr-low": Way(True, rates_times(0.03, 0.03), LOW_RATE),
    "d-strong": Way(True, rates_times(1, 20), (*D_WINS, "high-rate", "learning-rate-high")),
    "g-strong": Way(True, rates_times(20, 1), ("generator-overpowers", *HIGH_RATE, *COLLAPSE)),
    "d-slow": Way(True, rates_times(1, 0.05), ("generator-overpowers", *COLLAPSE, *LOW_RATE)),
    "g-slow": Way(True, rates_times(0.05, 1), (*D_WINS, *LOW_RATE)),
    "d-repeats": Way(
        True,
        steps_times(0.3, **{"repeats.discriminator": 20, "penalties": []}),
        D_WINS,
    ),
    "beta1": Way(
        True,
        {f"optimizer.{one}.betas": [0.99, 0.999] for one in ("generator", "discriminator")},
        ("adam-momentum", "oscillation", *HIGH_RATE),
    ),
    "sigmoid-twice": Way(
        True, causes=("sigmoid-twice", *D_WINS, *FADING), discriminator=sabotage.end_in_sigmoid
    ),
    "saturating": Way(
        True,
        rates_times(1, 10, **{"loss.name": "logistic-saturating", "penalties": []}),
        D_WINS,
    ),
    "deep-plain": Way(
        True,
        {"generator.width": [64] * 24, "generator.normalization": "none"},
        (*FADING, *COLLAPSE, *D_WINS),
    ),
    "batch-2": Way(
        True,
        {"batch_size": 2, "generator.normalization": "batch"},
        ("small-batch", "tiny-batch-norm"),
    ),
    "upper-half": Way(
        True, causes=("generator-range", "output-range", *D_WINS), generator=sabotage.upper_half
    ),
    "within-one": Way(
        True, causes=("generator-range", "output-range", *D_WINS), generator=sabotage.within_one
    ),
    "frozen-g": Way(
        True,
        causes=("learning-rate-low", "vanishing-gradients", "stalled"),
        generator=sabotage.frozen,
    ),
    "swapped": Way(
        True,
        causes=("swapped-labels",),
        loss=sabotage.swapped,
    ),
    "overflow": Way(True, causes=("nonfinite",), loss=sabotage.overflowing),
    "few-images": Way(
        True,
        {"penalties": []},
        ("few-images", "discriminator-overfitting", "memorization"),
        data=partial(sabotage.few, count=40),
    ),
    "copies": Way(True, causes=("memorization",), generator=sabotage.copy),
    "one-class": Way(True, causes=COLLAPSE, data=sabotage.one_class),
    "deaf": Way(True, causes=COLLAPSE, generator=sabotage.deaf),
    "dead-units": Way(
        True,
        {"generator.activation": "relu"},
        ("dead-units", *FADING, *COLLAPSE),
        generator=sabotage.kill_units,
    ),
    "saturated": Way(
        True, causes=("saturated-outputs", *FADING, *D_WINS), generator=sabotage.saturate
    ),
    "unbounded": Way(
        True,
        {"loss.name": "wasserstein", "penalties": [], "loss.pairing": "standard"},
        ("unbounded-critic", "exploding", "nonfinite", *D_WINS),
    ),
    "heavy-penalty": Way(
        True,
        {"penalties": [{"name": "r1", "weight": 1e4}]},
        ("heavy-penalty", "generator-overpowers"),
    ),
    "slow-average": Way(
        True, {"ema.half_life": 1e7, "ema.ramp_up": None}, ("slow-average", "ema-behind")
    ),
    "shuffled-labels": Way(True, causes=("labels-ignored",), data=sabotage.shuffled_labels),
    # What should train.
    "as-is": Way(False),
    "short": Way(False, steps_times(0.7)),
    "long": Way(False, steps_times(1.4)),
    "noisy": Way(False, {"instance_noise.std": 0.2}),
    "small-batch": Way(False, steps_times(1.4, batch_size=16)),
    "rates-half": Way(False, rates_times(0.6, 0.6)),
    "rates-more": Way(False, rates_times(1.5, 1.5)),
    "d-quicker": Way(False, rates_times(1, 2)),
    "plain": Way(False, {"penalties": []}),
    "pairs": Way(False, {"loss.pairing": "relativistic-paired"}),
    "hinge": Way(False, {"loss.name": "hinge"}),
    "least-squares": Way(False, {"loss.name": "least-squares"}),
    "smoothing": Way(False, {"loss.smoothing": 0.1}),
    "two-d-moves": Way(False, {"repeats.discriminator": 2}),
    "wasserstein": Way(
        False,
        {"loss.name": "wasserstein", "loss.pairing": "standard", "repeats.discriminator": 3}
        | {"penalties": [{"name": "gp", "weight": 1.0}]},
    ),
    "uniform": Way(False, {"latent.prior": "uniform"}),
    "wide-data": Way(False, {"data.mean": 10.0, "data.std": 3.0}),
    "narrow-data": Way(False, {"data.mean": 0.0, "data.std": 0.5}),
    "no-average": Way(False, {"ema.half_life": 0}),
    "diffaugment": Way(False, {"augment.name": "diffaugment"}),
    "wider": Way(False, slim(12)),
    "spectral": Way(False, {"discriminator.spectral_norm": True}),
    "stddev": Way(False, {"discriminator.minibatch": "stddev"}),
    "fewer": Way(False, data=partial(sabotage.few, count=1500)),
}

BROKEN: dict[str, str] = {
    "lr-high": "digits mlp numbers ring",
    "lr-low": "digits mlp ring",
    "d-strong": "digits mlp",
    "g-strong": "digits ring",
    "d-slow": "cdcgan ring",
    "g-slow": "mlp ring",
    "d-repeats": "numbers",
    "beta1": "numbers ring",
    "sigmoid-twice": "digits mlp",
    "saturating": "mlp ring",
    "deep-plain": "mlp numbers",
    "batch-2": "mlp dcgan",
    "upper-half": "digits cdcgan",
    "within-one": "numbers ring",
    "frozen-g": "digits numbers",
    "swapped": "digits mlp",
    "overflow": "digits ring",
    "few-images": "digits mlp",
    "copies": "digits mlp",
    "one-class": "digits ring",
    "deaf": "digits ring",
    "dead-units": "mlp ring",
    "saturated": "digits mlp",
    "unbounded": "digits numbers",
    "heavy-penalty": "digits numbers",
    "slow-average": "digits numbers",
    "shuffled-labels": "cdcgan cgan",
}
HEALTHY: dict[str, str] = {
    "as-is": "digits cdcgan dcgan mlp numbers ring grid cgan wgan-gp lsgan moments",
    "short": "digits dcgan mlp numbers ring",
    "long": "numbers",
    "noisy": "digits mlp ring",
    "small-batch": "digits mlp numbers ring",
    "rates-half": "digits mlp ring",
    "rates-more": "digits numbers",
    "d-quicker": "digits ring",
    "plain": "digits numbers",
    "pairs": "mlp numbers ring",
    "hinge": "digits mlp numbers",
    "least-squares": "mlp dcgan ring",
    "smoothing": "mlp numbers dcgan",
    "two-d-moves": "mlp ring",
    "wasserstein": "numbers ring",
    "uniform": "numbers digits",
    "wide-data": "numbers",
    "narrow-data": "numbers",
    "no-average": "digits numbers",
    "diffaugment": "digits",
    "wider": "digits",
    "spectral": "ring",
    "stddev": "digits",
    "fewer": "digits",
}
# Those that are compared with something else than the base as it is: other data or length.
OWN_REFERENCE = {"short", "wide-data", "narrow-data"}


def all_settings() -> list[Setting]:
    """Broken and healthy ones in turn, so that the first half of a record is balanced too."""
    broken, healthy = (
        [
            Setting(base, way, f"{base}/{way if way in OWN_REFERENCE else 'as-is'}")
            for way, bases in ways.items()
            for base in bases.split()
        ]
        for ways in (BROKEN, HEALTHY)
    )
    longest = max(len(broken), len(healthy))
    mixed = []
    for place in range(longest):
        for settings in (broken, healthy):
            # Spread the shorter list over the length of the longer one.
            before, now = (k * len(settings) // longest for k in (place, place + 1))
            mixed += settings[before:now]
    return mixed


SETTINGS: dict[str, Setting] = {one.name: one for one in all_settings()}
