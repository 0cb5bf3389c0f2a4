"""Names in a recipe to objects, from a dict or the user's own module, and options for them."""

from __future__ import annotations

import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from sparring.errors import InputError, did_you_mean, said_by

T = TypeVar("T")


def find(table: Mapping[str, T], name: str, key: str) -> T | Any:
    """The object that `name` stands for in `table`; `key` is the recipe key, for the message."""
    if name in table:
        return table[name]
    if ":" in name:
        return _import(name, key)
    raise InputError(f"{key}: there is no `{name}`", did_you_mean(name, table))


def _import(name: str, key: str) -> Any:
    module_name, _, attribute = name.partition(":")
    # A user's module usually lies in the folder they stand in.
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.append(folder)
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # a module of the user's own may raise anything
        raise InputError(
            f"{key}: cannot load `{name}`: {said_by(error)}",
            "write it as module:attribute, with the module in this folder or installed",
        ) from error
    return found


class Chosen(Protocol):
    """A part of a recipe that names a constructor and gives it options."""

    name: str

    def options(self) -> dict[str, Any]: ...


def complete_options(
    chosen: Chosen, make: Callable[..., Any], section: str, kind: str
) -> dict[str, Any]:
    """Check the options against the constructor's parameters and fill in its defaults.

    Returns all of them by name; `section` and `kind` are for messages: a key of the recipe, and
    what is made (`network`).
    """
    if not callable(make):
        raise InputError(
            f"{section}.name: `{chosen.name}` is no {kind}", "name the class of a torch.nn.Module"
        )
    target = make.__init__ if inspect.isclass(make) else make
    try:
        hints = typing.get_type_hints(target, include_extras=True)
    except (NameError, TypeError):  # types that only a checker sees: options stay as they are
        hints = {}
    parameters: Mapping[str, inspect.Parameter] = {}
    with suppress(ValueError):  # not written in Python
        parameters = inspect.signature(make).parameters
    known = {
        name: parameter
        for name, parameter in parameters.items()
        if name not in ("latent_size", "shape")
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    for name, value in chosen.options().items():
        if name not in known:
            hint = did_you_mean(name, known) if known else "it has no options"
            raise InputError(
                f"`{section}.{name}`: {kind} `{chosen.name}` has no such option",
                hint.replace("`", f"`{section}.", 1),
            )
        try:
            adapter = TypeAdapter(hints.get(name, Any), config=ConfigDict(strict=False))
            setattr(chosen, name, adapter.validate_python(value))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]["msg"]
            raise InputError(
                f"{section}.{name}={value!r}: {problem[0].lower()}{problem[1:]}",
                f"set it with {section}.{name}=VALUE",
            ) from None
    for name, parameter in known.items():
        if name not in chosen.options() and parameter.default is not parameter.empty:
            setattr(chosen, name, parameter.default)
    return chosen.options()
