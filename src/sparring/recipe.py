"""The recipe: the whole description of a run, as data."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sparring.errors import InputError, did_you_mean

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
MAX_YAML_BYTES = 1_000_000


class Section(BaseModel):
    """A part of a recipe: unknown keys are refused, values are checked when they are set."""

    model_config = ConfigDict(
        extra="forbid", validate_assignment=True, protected_namespaces=(), allow_inf_nan=False
    )


class Schedule(Section):
    """A factor as a function of progress: 1 at the start of the run, `end` at its end."""

    name: Literal["constant", "linear", "cosine"] = "constant"
    end: Annotated[float, Field(ge=0)] = 0.0


class Data(Section):
    """Which samples: a name of `sparring data list` or a path; size and channels None = as is."""

    name: str = "mnist5k"
    size: Annotated[int, Field(ge=4, le=1024)] | None = None
    channels: Literal[1, 3] | None = None
    mean: float | None = None  # of `gaussian`
    std: Annotated[float, Field(gt=0)] | None = None  # of `gaussian`, and of each mode


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

    @field_validator("smoothing", mode="before")
    @classmethod
    def _one_sided(cls, value: Any) -> Any:
        return value if isinstance(value, dict | Smoothing) else {"real": value}


class Penalty(Section):
    """A penalty on the discriminator: `every` k moves, then scaled by k (lazy regularization)."""

    name: str
    weight: Annotated[float, Field(ge=0)] = 1.0
    every: Positive = 1


class Optimizer(Section):
    """One player's optimizer; `lr` is multiplied by the schedule."""

    name: Literal["adam", "sgd", "rmsprop"] = "adam"
    lr: Annotated[float, Field(gt=0)] = 2e-4
    betas: tuple[Share, Share] = (0.5, 0.999)
    momentum: Share = 0.0
    schedule: Schedule = Schedule()

    @field_validator("schedule", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class Optimizers(Section):
    generator: Optimizer = Optimizer()
    discriminator: Optimizer = Optimizer()


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

    The first metric of the list chooses the best checkpoint. `features` auto = the shipped
    classifier for grey 28x28 images, else the samples themselves.
    """

    metrics: list[str] = ["kid", "fid"]
    every: Annotated[int, Field(ge=0)] = 100_000
    samples: Annotated[int, Field(ge=2)] = 1_000
    final_samples: Annotated[int, Field(ge=2)] = 2_000
    features: str = "auto"


class Recipe(Section):
    """The whole description of a run."""

    name: str = "recipe"
    title: str = ""
    source: str = ""
    game: str = "latent"
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    steps: Positive = 10_000
    batch_size: Positive = 64
    micro_batch: Positive | None = None
    device: str = "auto"
    precision: Precision = Precision()
    data: Data = Data()
    latent: Latent = Latent()
    generator: Network = Network()
    discriminator: Network = Network()
    loss: Loss = Loss()
    penalties: list[Penalty] = []
    optimizer: Optimizers = Optimizers()
    repeats: Repeats = Repeats()
    ema: Ema = Ema()
    evaluation: Evaluation = Evaluation()
    tick: Positive = 100  # steps between two lines of the history
    snapshots: Positive = 40  # pictures over the whole run
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 15.0

    def dump(self) -> str:
        """The recipe as YAML, complete."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, width=96)


def recipe_names() -> list[str]:
    """The names of the recipes that come with the package."""
    folder = resources.files("sparring.recipes")
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_recipe(source: str | Path, overrides: Sequence[str] | Mapping[str, Any] = ()) -> Recipe:
    """A recipe by name or from a YAML file, with `key=value` overrides.

    Raises InputError with the key and the nearest valid one.
    """
    values = _read(source)
    pairs = overrides.items() if isinstance(overrides, Mapping) else map(parse_override, overrides)
    for key, value in pairs:
        _check_key(key)
        _assign(values, key, value)
    return validated(values, where=str(source))


def validated(values: dict[str, Any], where: str) -> Recipe:
    """The checked recipe; the first wrong value is told with its key."""
    for key in _leaves(values):
        _check_key(key)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # Pydantic puts the branch of a union into the location; a user knows only the keys.
        location = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{location}={first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}",
            f"set it with {location}=VALUE (recipe {where})",
        ) from None


def parse_override(text: str) -> tuple[str, Any]:
    """`key=value` with a YAML value."""
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise InputError(f"`{text}` is not an override", "write it as key=value, e.g. steps=500")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        raise InputError(f"{key}: cannot read the value `{value}`", "quote it as in YAML") from None


def differences(old: Recipe, new: Recipe) -> dict[str, tuple[Any, Any]]:
    """The keys in which two recipes differ, with both values."""
    before = dict(_flat(old.model_dump(mode="json")))
    after = dict(_flat(new.model_dump(mode="json")))
    return {
        key: (before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    }


def recipe_text(source: str | Path) -> str:
    """The YAML of a recipe as it was written, by name or from a file."""
    path = Path(source)
    if str(source) in recipe_names():
        return (resources.files("sparring.recipes") / f"{source}.yaml").read_text()
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise InputError(f"recipe file `{path}` does not exist", "check the path")
        if path.stat().st_size > MAX_YAML_BYTES:
            raise InputError(f"recipe file `{path}` is over 1 MB", "a recipe is a page of text")
        try:
            return path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"recipe file `{path}` cannot be read: {error}") from None
    hint = did_you_mean(str(source), recipe_names())
    raise InputError(f"there is no recipe `{source}`", f"{hint} A file ends in .yaml.")


def _read(source: str | Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(recipe_text(source))
    except yaml.YAMLError as error:
        raise InputError(f"recipe `{source}` is not YAML: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"recipe `{source}` holds no keys", "see `sparring recipes show digits`")
    return {"name": Path(source).stem} | values


def _assign(values: dict[str, Any], key: str, value: Any) -> None:
    """Set the value at a dotted key; a number in the key is a place in a list."""
    *parents, last = key.split(".")
    here: Any = values
    for part in parents:
        if isinstance(here, list):
            here = _item(here, part, key)
            continue
        if not isinstance(here.get(part), dict | list):
            here[part] = {}
        here = here[part]
    if isinstance(here, list):
        _item(here, last, key)
        here[int(last)] = value
    else:
        here[last] = value


def _item(items: list[Any], part: str, key: str) -> Any:
    if not part.isdigit() or int(part) >= len(items):
        raise InputError(f"`{key}`: the list has {len(items)} entries", "count from 0")
    return items[int(part)]


def _check_key(key: str) -> None:
    """Raise InputError with the nearest key unless the dotted key can be in a recipe."""
    parts = key.split(".")
    section: type[BaseModel] | None = Recipe
    for place, part in enumerate(parts):
        if section is None or part.isdigit():
            continue
        if part not in section.model_fields:
            if section.model_config.get("extra") == "allow":
                return  # an option of a network: checked when the network is built
            near = difflib.get_close_matches(part, section.model_fields, n=1, cutoff=0.5)
            better = ".".join([*parts[:place], *near, *parts[place + 1 :]])
            known = ", ".join(".".join([*parts[:place], name]) for name in section.model_fields)
            hint = f"did you mean `{better}`?" if near else f"known keys: {known}"
            raise InputError(f"`{key}`: there is no such key in a recipe", hint)
        section = _section_in(section.model_fields[part].annotation)


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a field's type holds, also inside a list or an optional."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in typing.get_args(annotation):
        if found := _section_in(part):
            return found
    return None


def _flat(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values; lists count as values."""
    if isinstance(values, dict) and (values or not prefix):
        for key, value in values.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, values


def _leaves(values: dict[str, Any]) -> Iterator[str]:
    """Dotted keys of all values, those inside lists too."""
    for key, value in _flat(values):
        yield key
        for place, item in enumerate(value if isinstance(value, list) else []):
            if isinstance(item, dict):
                yield from (f"{key}.{place}.{inner}" for inner in _leaves(item))
