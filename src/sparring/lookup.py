"""Names in a recipe to objects: a plain dict, or the user's own as `module:attribute`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

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
