"""The recipe: the whole description of a run, as data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

# Bounds that no sensible value comes near, so that a slip of the finger is told at once.
Positive = Annotated[int, Field(gt=0, le=10**12)]
MOST_SAMPLES = 1_000_000
Samples = Annotated[int, Field(ge=2, le=MOST_SAMPLES)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A part of a recipe: unknown keys are refused, values are checked when they are set."""

    model_config = ConfigDict(
        extra="forbid", validate_assignment=True, protected_namespaces=(), allow_inf_nan=False
    )


class Schedule(Section):
    """A factor as a function of progress: 1 at the start of the run, `end` at its end."""

    name: Literal["constant", "linear", "cosine", "exponential"] = "constant"
    end: Annotated[float, Field(ge=0)] = 0.0
    start: Share = 0.0  # the share of the run before which it stays at 1

    @model_validator(mode="after")
    def _falls_to_something(self) -> Schedule:
        if self.name == "exponential" and self.end == 0:
            raise ValueError("an exponential schedule needs an end above 0")
        return self

    def factor(self, progress: float) -> float:
        """The factor at a share of the run, 0 to 1: straight, half a cosine wave, or by halves."""
        progress = min(max((progress - self.start) / (1 - self.start), 0.0), 1.0)
        if self.name == "linear":
            return 1 + (self.end - 1) * progress
        if self.name == "cosine":
            return self.end + (1 - self.end) * (1 + math.cos(math.pi * progress)) / 2
        return self.end**progress if self.name == "exponential" else 1.0


# Also by its name alone: schedule=cosine falls to 0.
ScheduleField = Annotated[
    Schedule, BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value)
]


PairedName = Literal["pairs", "left", "right", "edges", "small"]
UnpairedName = Literal["unpaired", "inverted", "recoloured", "sheared"]


class Data(Section):
    """Which samples: a name of `sparring data list` or a path; size and channels None = as is.

    `inputs` says what an image-to-image recipe makes images of. Of a folder: `pairs` of files that
    have the same name in its subfolders A and B, `unpaired` ones there, the `left` or `right` half
    of each file. Of images themselves: their `edges`, `small` versions at 1 / `factor` of the size,
    or, unpaired, others of them, while these are `inverted`, `recoloured` or `sheared`.
    """

    name: str = "mnist5k"
    size: Positive | None = None
    channels: Literal[1, 3] | None = None
    background: str = "white"  # shows through transparent pixels: a name or #rrggbb
    flip: bool = False  # mirror half of the real images, drawn anew each time
    mean: Annotated[float, Field(ge=-1e6, le=1e6)] | None = None  # of `gaussian`
    std: Annotated[float, Field(gt=0, le=1e6)] | None = None  # of `gaussian`, and of each mode
    digits: Literal[2, 3] | None = None  # stacked in an image of `stacked-mnist`; None = 3
    inputs: PairedName | UnpairedName | None = None
    factor: Literal[2, 4, 8] = 4  # of `small` inputs


class Latent(Section):
    """The prior p(z) that the generator maps to data."""

    size: Positive = 64
    prior: Literal["normal", "uniform"] = "normal"


class Network(Section):
    """A network by name, or the user's own as `module:attribute`; the rest are its options."""

    model_config = ConfigDict(extra="allow", validate_assignment=True)
    name: str = "dcgan"

    def options(self) -> dict[str, Any]:
        """The options that the network's constructor takes."""
        return dict(self.model_extra or {})


class Smoothing(Section):
    """Label smoothing: how far the targets of real and of fake samples move to the other side."""

    real: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    fake: Annotated[float, Field(ge=0, le=0.5)] = 0.0


class Loss(Section):
    """The loss of both players; a plain number for smoothing is one-sided (real labels only)."""

    name: str = "logistic"
    pairing: str = "standard"
    smoothing: Smoothing = Smoothing()
    weight: Annotated[float, Field(ge=0)] = 1.0  # in the generator's loss, beside further terms

    @field_validator("smoothing", mode="before")
    @classmethod
    def _one_sided(cls, value: Any) -> Any:
        return value if isinstance(value, dict | Smoothing) else {"real": value}


class Penalty(Section):
    """A penalty or a further term: `every` k moves, then scaled by k (lazy regularization).

    A summand of its player's loss, or with `apart` a move of its own by the same optimizer, whose
    rate and betas are then corrected for it, if it is Adam (StyleGAN2).
    """

    name: str
    weight: Annotated[float, Field(ge=0)] = 1.0
    every: Positive = 1
    schedule: ScheduleField = Schedule()
    apart: bool = False


class Augment(Section):
    """What samples pass through before the discriminator sees them; the rest are its options."""

    model_config = ConfigDict(extra="allow", validate_assignment=True)
    name: str = "none"

    def options(self) -> dict[str, Any]:
        """The options that the augmentation's constructor takes."""
        return dict(self.model_extra or {})


class InstanceNoise(Section):
    """Normal noise on all that the discriminator sees; images are in [-1, 1]."""

    std: Annotated[float, Field(ge=0)] = 0.0
    schedule: ScheduleField = Schedule(name="linear")


class Optimizer(Section):
    """One player's optimizer; `lr` is multiplied by the schedule.

    So is Adam's 1 - beta2 by a schedule of its own: where it falls, the squared gradients that a
    step is divided by reach ever further back.
    """

    name: Literal["adam", "sgd", "rmsprop"] = "adam"
    lr: Annotated[float, Field(gt=0)] = 2e-4
    betas: tuple[Share, Share] = (0.5, 0.999)
    momentum: Share = 0.0
    schedule: ScheduleField = Schedule()
    beta2_schedule: ScheduleField = Schedule()

    def betas_at(self, progress: float) -> tuple[float, float]:
        """Adam's betas at a share of the run, 0 to 1."""
        return self.betas[0], 1 - (1 - self.betas[1]) * self.beta2_schedule.factor(progress)


class Optimizers(Section):
    generator: Optimizer = Optimizer()
    discriminator: Optimizer = Optimizer()


class Pretraining(Section):
    """How many samples the generator of an image-to-image recipe learns from alone, by pixels."""

    samples: Annotated[int, Field(ge=0)] = 0
    loss: Literal["l1", "l2"] = "l2"


class Unroll(Section):
    """How many moves of the discriminator the generator looks ahead (Metz et al., 2017)."""

    steps: Annotated[int, Field(ge=0, le=100)] = 0


class Growth(Section):
    """When networks that can grow do it (Karras et al., 2018), counted in samples seen.

    They begin at the lowest resolution of at least `start` pixels and double it each `samples_each`
    samples; a new resolution fades in over the first `fade` of these, a share.
    """

    start: Positive = 4
    samples_each: Positive = 1_200_000
    fade: Annotated[float, Field(ge=0, le=1)] = 0.5

    def stage(self, samples_seen: int, resolutions: Sequence[int]) -> tuple[int, float]:
        """The place of the resolution that is worked at, and the share by which it has faded in."""
        last = len(resolutions) - 1
        first = next((k for k, side in enumerate(resolutions) if side >= self.start), last)
        doublings, since = divmod(samples_seen, self.samples_each)
        fading = self.fade * self.samples_each
        if doublings == 0 or first + doublings > last or since >= fading:
            return min(first + doublings, last), 1.0
        return first + doublings, since / fading


class Repeats(Section):
    """Moves of each player in one step."""

    generator: Positive = 1
    discriminator: Positive = 1


PrecisionName = Literal["auto", "fp32", "bf16"]


class Precision(Section):
    """Of each player's forward pass; auto = bf16 where the hardware has it natively, else fp32."""

    generator: PrecisionName = "auto"
    discriminator: PrecisionName = "auto"


class Ema(Section):
    """The averaged generator: half-life in samples, at most `ramp_up` times the samples seen."""

    half_life: Annotated[float, Field(ge=0)] = 10_000
    ramp_up: Annotated[float, Field(gt=0)] | None = 0.05


class Evaluation(Section):
    """Scores during training: on the selection split, every so many samples seen (0 = never).

    The first metric of the list chooses the best checkpoint; after `patience` evaluations without
    a better one the run ends (0 = never). `final_metrics` are those of the final table, None =
    `metrics` and, for images, what else tells of them. `features` auto = the shipped classifier
    for grey 28x28 images, pixels for others, vectors themselves; `random` = a random network.
    `weights` is the file of a published network, where it cannot be downloaded.
    """

    metrics: list[str] = ["kid", "fid"]
    every: Annotated[int, Field(ge=0)] = 100_000
    samples: Samples = 1_000
    final_samples: Samples = 2_000
    features: str = "auto"
    weights: str | None = None
    patience: Annotated[int, Field(ge=0, le=10**6)] = 0
    final_metrics: list[str] | None = None

    @model_validator(mode="after")
    def _patience_has_something_to_wait_for(self) -> Evaluation:
        if self.patience and not (self.every and self.metrics):
            raise ValueError("patience counts evaluations: it needs `metrics`, and `every` above 0")
        return self


class RefereeKeys(Section):
    """What the referee does about a finding, and how often it looks.

    `warn` tells of it, `stop` ends a hopeless run with exit code 3, `rescue` goes back to the last
    healthy state with the advised change, at most `rescues` times. It looks at least every
    `samples_each` samples seen, more often in short runs.
    """

    enabled: bool = True
    action: Literal["warn", "stop", "rescue"] = "warn"
    samples_each: Positive = 20_000
    rescues: Annotated[int, Field(ge=0, le=100)] = 3


class Recipe(Section):
    """The whole description of a run."""

    name: str = "recipe"
    title: str = ""
    source: str = ""
    game: str = "latent"
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    redrawn: Annotated[int, Field(ge=0)] = 0  # times that a rescue has drawn everything anew
    steps: Positive = 10_000
    batch_size: Annotated[int, Field(gt=0, le=2**20)] = 64
    micro_batch: Positive | None = None
    sync_batch_statistics: bool = True  # batch normalization over the batch of all processes
    device: str = "auto"
    precision: Precision = Precision()
    data: Data = Data()
    latent: Latent = Latent()
    generator: Network = Network()
    discriminator: Network = Network()
    loss: Loss = Loss()
    penalties: list[Penalty] = []
    terms: list[Penalty] = []  # further terms, of either player or both
    clip_weights: Annotated[float, Field(gt=0)] | None = None  # of the discriminator, to ± this
    augment: Augment = Augment()
    instance_noise: InstanceNoise = InstanceNoise()
    optimizer: Optimizers = Optimizers()
    repeats: Repeats = Repeats()
    unroll: Unroll = Unroll()
    growth: Growth = Growth()
    pretraining: Pretraining = Pretraining()
    buffer: Annotated[int, Field(ge=0, le=10_000)] = 50  # earlier images the discriminators see too
    ema: Ema = Ema()
    evaluation: Evaluation = Evaluation()
    referee: RefereeKeys = RefereeKeys()
    tick: Positive = 100  # steps between two lines of the history
    custom: list[str] = []  # what came from code: a resumed run must be given the same
    snapshots: Positive = 40  # pictures over the whole run
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 15.0

    def dump(self) -> str:
        """The recipe as YAML, complete."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, width=96)


def differences(old: Recipe, new: Recipe) -> dict[str, tuple[Any, Any]]:
    """The keys in which two recipes differ, with both values."""
    before = dict(flat(old.model_dump(mode="json")))
    after = dict(flat(new.model_dump(mode="json")))
    return {
        key: (before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    }


def flat(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values; lists count as values."""
    if isinstance(values, dict) and (values or not prefix):
        for key, value in values.items():
            yield from flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, values
