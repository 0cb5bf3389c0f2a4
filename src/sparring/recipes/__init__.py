"""Recipes by name or file, with overrides; every error names the key and the nearest right one."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from sparring.errors import InputError, did_you_mean
from sparring.recipe import Recipe, flat

MAX_YAML_BYTES = 1_000_000
NETWORK_NAMES = ("generator.name", "discriminator.name")


def recipe_names() -> list[str]:
    """The names of the recipes that come with the package."""
    folder = resources.files("sparring.recipes")
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_recipe(
    source: str | Path | Recipe, overrides: Sequence[str] | Mapping[str, Any] = ()
) -> Recipe:
    """A recipe by name, from a YAML file or built in code, with `key=value` overrides.

    Another `generator.name` or `discriminator.name` starts from that network's own defaults.
    Raises InputError with the key and the nearest valid one.
    """
    values = _values_of(source) if isinstance(source, Recipe) else _read(source)
    pairs = overrides.items() if isinstance(overrides, Mapping) else map(parse_override, overrides)
    # Names of networks first: they drop the options of the network before, whatever the order.
    for key, value in sorted(pairs, key=lambda pair: pair[0] not in NETWORK_NAMES):
        _check_key(key)
        section = values.get(key.partition(".")[0]) if key in NETWORK_NAMES else None
        if isinstance(section, dict) and section.get("name", value) != value:
            section.clear()
        _assign(values, key, value)
    return validated(values, where=values["name"] if isinstance(source, Recipe) else str(source))


def _values_of(recipe: Recipe) -> dict[str, Any]:
    """The values of a recipe; a network that was not named belongs to whoever names it."""
    values = recipe.model_dump(mode="json")
    for section in ("generator", "discriminator"):
        if "name" not in getattr(recipe, section).model_fields_set:
            del values[section]["name"]
    return values


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


def _leaves(values: dict[str, Any]) -> Iterator[str]:
    """Dotted keys of all values, those inside lists too."""
    for key, value in flat(values):
        yield key
        for place, item in enumerate(value if isinstance(value, list) else []):
            if isinstance(item, dict):
                yield from (f"{key}.{place}.{inner}" for inner in _leaves(item))
