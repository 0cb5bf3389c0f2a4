"""Recipes by name or file, with overrides; every error names the key and the nearest right one."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from sparring.errors import InputError
from sparring.recipe import Recipe, flat
from sparring.recipes.text import parse_yaml, read_recipe, recipe_names, recipe_text

__all__ = [
    "load_recipe",
    "own_rates",
    "parse_override",
    "recipe_names",
    "recipe_text",
    "validated",
]

# Pydantic's kinds of problems whose own words are for programmers.
PLAINER = {
    "model_type": "a section belongs here, not one value",
    "list_type": "a list belongs here",
    "missing": "it is missing",
}
NETWORK_NAMES = ("generator.name", "discriminator.name")


def load_recipe(
    source: str | Path | Recipe, overrides: Sequence[str] | Mapping[str, Any] = ()
) -> Recipe:
    """A recipe by name, from a YAML file or built in code, with `key=value` overrides.

    Another `generator.name` or `discriminator.name` starts from that network's own defaults.
    Raises InputError with the key and the nearest valid one.
    """
    values = _values_of(source) if isinstance(source, Recipe) else read_recipe(source)
    pairs = overrides.items() if isinstance(overrides, Mapping) else map(parse_override, overrides)
    # Names of networks first: they drop the options of the network before, whatever the order.
    for key, value in sorted(pairs, key=lambda pair: pair[0] not in NETWORK_NAMES):
        _check_key(key)
        section = values.get(key.partition(".")[0]) if key in NETWORK_NAMES else None
        if isinstance(section, dict) and section.get("name", value) != value:
            section.clear()
        _assign(values, key, deepcopy(value))  # a later key may go into it, and it is the caller's
    return validated(values, where=values["name"] if isinstance(source, Recipe) else str(source))


def own_rates(recipe: Recipe) -> dict[str, float]:
    """The rates of the bundled recipe of the same name, by key, where this one has others.

    Only of the same networks and optimizers: of others they would say nothing.
    """
    if recipe.name not in recipe_names():
        return {}
    own = load_recipe(recipe.name)
    rates = {}
    for player in ("generator", "discriminator"):
        first, now = getattr(own.optimizer, player), getattr(recipe.optimizer, player)
        same_network = getattr(own, player).name == getattr(recipe, player).name
        if same_network and first.name == now.name and first.lr != now.lr:
            rates[f"optimizer.{player}.lr"] = first.lr
    return rates


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
        location = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        said = PLAINER.get(first["type"], f"{said[0].lower()}{said[1:]}")
        value = "" if first["type"] == "missing" else f"={_short(first['input'])}"
        raise InputError(
            f"{location}{value}: {said}",
            f"{_how_to_set(location, first['type'], first['input'])} (recipe {where})",
        ) from None


def _short(value: Any) -> str:
    """A value as it may stand in a message."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _how_to_set(location: str, problem: str, value: Any) -> str:
    """The form that a value has to have, for a kind of problem that pydantic names."""
    section = _section_at(location.split("."))
    if problem == "list_type":
        one = value if isinstance(value, str | int | float) else "NAME"
        return f"write a list: {location}=[{f'{{name: {one}}}' if section else one}]"
    if problem == "model_type" and section:
        keys = ", ".join(section.model_fields)
        return f"it has keys of its own: {keys}; set {location}.KEY=VALUE"
    return f"set it with {location}=VALUE"


def parse_override(text: str) -> tuple[str, Any]:
    """`key=value` with a YAML value."""
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise InputError(f"`{text}` is not an override", "write it as key=value, e.g. steps=500")
    try:
        return key.strip(), parse_yaml(value)
    except ValueError:
        raise InputError(f"{key}: cannot read the value `{value}`", "quote it as in YAML") from None


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
    if not part.isdecimal() or int(part) >= len(items):
        head = key.split(".")[0]
        places = f"name one by its place from 0 on, e.g. {head}.0, or " if items else ""
        raise InputError(
            f"`{key}`: the list has {len(items)} entries", f"{places}set the whole: {head}=[...]"
        )
    return items[int(part)]


def _check_key(key: str) -> None:
    """Raise InputError with the nearest key unless the dotted key can be in a recipe."""
    parts = key.split(".")
    section: type[BaseModel] | None = Recipe
    for place, part in enumerate(parts):
        if section is None or (place and part.isdecimal()):
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


def _section_at(parts: Sequence[str]) -> type[BaseModel] | None:
    """The section at a dotted key, None if there is a plain value."""
    section: type[BaseModel] | None = Recipe
    for part in parts:
        if section is not None and not part.isdecimal():
            field = section.model_fields.get(part)
            section = _section_in(field.annotation) if field else None
    return section


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
