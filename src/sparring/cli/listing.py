"""`sparring recipes` and `sparring data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sparring.cli.common import Json, data, recipes, say
from sparring.errors import InputError


@recipes.command("list")
def list_recipes(as_json: Json = False) -> None:
    """Name, title, source and data of each."""
    from sparring.recipes import load_recipe, recipe_names

    loaded = [load_recipe(name) for name in recipe_names()]
    rows = [
        {"name": r.name, "title": r.title, "source": r.source, "data": r.data.name} for r in loaded
    ]
    say(rows, as_json, lambda: print("\n".join(f"{r['name']:18}{r['title']}" for r in rows)))


@recipes.command("show")
def show_recipe(name: str, as_json: Json = False) -> None:
    """A recipe, complete."""
    from sparring.recipes import load_recipe

    recipe = load_recipe(name)
    say(recipe.model_dump(mode="json"), as_json, lambda: print(recipe.dump(), end=""))


@recipes.command("copy")
def copy_recipe(name: str, file: Path, as_json: Json = False) -> None:
    """Write a recipe to a file of one's own."""
    from sparring.recipes import recipe_text
    from sparring.run import write_text

    if file.exists():
        raise InputError(f"`{file}` exists already", "choose another name")
    if file.suffix not in (".yaml", ".yml"):
        raise InputError(f"`{file}` does not end in .yaml", "a recipe file does")
    write_text(file, recipe_text(name))
    say({"path": str(file)}, as_json, lambda: print(file))


@data.command("list")
def list_data(as_json: Json = False) -> None:
    """The data sets known by name."""
    from sparring.data import data_names

    names = data_names()
    more = "or a folder of images, a .zip of them, a .npz, a packed .safetensors"
    say(names, as_json, lambda: print("\n".join([*names, more])))


@data.command("pack")
def pack_data(
    source: Annotated[str, typer.Argument(metavar="DATA", help="A name or a path.")],
    file: Annotated[Path, typer.Argument(help="Ends in .safetensors.")],
    size: Annotated[int | None, typer.Option(help="Pixels a side.", min=1)] = None,
    channels: Annotated[int | None, typer.Option(help="1 or 3.", min=1, max=3)] = None,
    background: Annotated[str, typer.Option(help="Behind transparent pixels.")] = "white",
    as_json: Json = False,
) -> None:
    """Put a data set into one memory-mapped file, to train from or to carry elsewhere."""
    from sparring import api

    answer = api.pack(source, file, size, channels, background)

    def tell() -> None:
        shape = "x".join(map(str, answer["shape"]))
        print(f"{answer['path']}: {answer['samples']:,} samples of {shape}")

    say(answer, as_json, tell)
