"""The text of recipes: by name or from a file, and its YAML as plain values."""

from __future__ import annotations

from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from sparring.errors import InputError, did_you_mean

MAX_BYTES = 1_000_000
MOST_VALUES = 10_000  # aliases unfold: a page of them can stand for more than memory holds


def recipe_names() -> list[str]:
    """The names of the recipes that come with the package."""
    folder = resources.files("sparring.recipes")
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def recipe_text(source: str | Path) -> str:
    """The YAML of a recipe as it was written, by name or from a file."""
    path = Path(source)
    if str(source) in recipe_names():
        return (resources.files("sparring.recipes") / f"{source}.yaml").read_text()
    if path.suffix in {".yaml", ".yml"}:
        return _read_text(path)
    with suppress(OSError):  # a name that is too long is none of a file
        if path.exists():
            raise InputError(f"`{path}` is no recipe, which ends in .yaml", _instead(path))
    hint = did_you_mean(str(source), recipe_names())
    raise InputError(f"there is no recipe `{source}`", f"{hint} (a file ends in .yaml)")


def read_recipe(source: str | Path) -> dict[str, Any]:
    """The keys and values of a recipe by name or from a file, unchecked, with its name."""
    text = recipe_text(source)
    see = "a recipe is plain keys and values, see `sparring recipes show digits`"
    try:
        values = parse_yaml(text)
    except ValueError as problem:
        raise InputError(f"recipe `{source}` cannot be read as YAML: {problem}", see) from None
    if not isinstance(values, dict):
        raise InputError(f"recipe `{source}` holds no keys", see)
    return {"name": Path(source).stem} | values


def parse_yaml(text: str) -> Any:
    """YAML without tags, as values that stay small; ValueError says what is wrong with it."""
    try:
        values = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{line}{error.problem}") from None
    except (yaml.YAMLError, OverflowError, ValueError) as error:
        # What follows a colon, if anything, is advice to the programmer.
        raise ValueError(str(error).splitlines()[0].partition(": ")[0]) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    waiting, count = [values], 0
    while waiting:
        value = waiting.pop()
        count += 1
        if count > MOST_VALUES:
            raise ValueError(f"it stands for more than {MOST_VALUES:,} values")
        waiting += value.values() if isinstance(value, dict) else ()
        waiting += value if isinstance(value, list) else ()
    return values


class _Loader(yaml.SafeLoader):
    """The safe loader, with a bound on what merge keys (<<) can unfold to."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MOST_VALUES:
            raise yaml.YAMLError(f"it stands for more than {MOST_VALUES:,} values")


def _read_text(path: Path) -> str:
    see = "see `sparring recipes copy digits mine.yaml` for one to start from"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"recipe file `{path}` is over 1 MB", "a recipe is a page of text")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"recipe file `{path}` does not exist", f"check the path; {see}") from None
    except OSError as error:
        raise InputError(f"recipe file `{path}` cannot be read: {error.strerror}", see) from None
    except UnicodeDecodeError as error:
        raise InputError(f"recipe file `{path}` cannot be read as text: {error}", see) from None


def _instead(path: Path) -> str:
    """What a path that is no recipe was probably meant as."""
    if (path / "recipe.yaml").is_file():
        return f"it is a run: go on with --resume --out {path}, or name {path / 'recipe.yaml'}"
    return f"is it data? Then: sparring train --data {path}"
