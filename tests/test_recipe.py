"""Recipes: what ships loads, what is wrong is told with its key and the nearest right one."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers import CPU
from sparring.data import open_data
from sparring.errors import InputError
from sparring.games import GAMES
from sparring.recipe import Recipe, differences
from sparring.recipes import load_recipe, parse_override, recipe_names, recipe_text
from sparring.training.state import State

SHIPPED = [
    "acgan",
    "cdcgan",
    "cgan",
    "dcgan",
    "digits",
    "gaussian",
    "gaussian-moments",
    "grid",
    "lsgan",
    "mlp-mnist",
    "patterns",
    "ring",
    "sngan",
    "unrolled",
    "wgan",
    "wgan-gp",
]


BASE = """
steps: 40
generator: {name: dcgan, width: 8}
discriminator: {name: dcgan, width: 8}
penalties:
- {name: r1, weight: 0.05, every: 8}
optimizer:
  generator: {schedule: {name: cosine, end: 0.05}}
"""


def written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return written(tmp_path, BASE, "base.yaml")


def problem_of(source: Any, *overrides: str) -> InputError:
    with pytest.raises(InputError) as problem:
        load_recipe(source, overrides)
    assert "\n" not in problem.value.hint
    return problem.value


def test_the_promised_recipes_ship() -> None:
    assert set(SHIPPED) <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_a_shipped_recipe_survives_being_written_and_read(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.title
    assert recipe.source
    again = load_recipe(written(tmp_path, recipe.dump()))
    assert again == recipe
    assert differences(recipe, again) == {}
    # Complete: it names every key there is.
    assert set(yaml.safe_load(recipe.dump())) == set(Recipe.model_fields)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_makes_a_game(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    game = GAMES[recipe.game](recipe, open_data(recipe.data), CPU)
    assert State(game, recipe, CPU).warnings == []
    # With its networks' options completed it can still be read.
    assert load_recipe(written(tmp_path, recipe.dump())) == recipe


def test_overrides_reach_every_kind_of_value(base: Path) -> None:
    recipe = load_recipe(
        base,
        [
            "steps=7",
            "generator.width=3",
            "discriminator.anything=[1, 2]",
            "optimizer.generator.lr=1e-3",
            "optimizer.discriminator.betas=[0.1, 0.2]",
            "optimizer.discriminator.schedule=linear",
            "optimizer.generator.schedule.end=0.5",
            "penalties.0.weight=9",
            "penalties.0.schedule=cosine",
            "loss.smoothing=0.1",
            "evaluation.metrics=[kid]",
            "micro_batch=4",
            "ema.ramp_up=null",
            "title=a=b",
        ],
    )
    assert recipe.steps == 7
    assert recipe.generator.options() == {"width": 3}
    assert recipe.discriminator.options()["anything"] == [1, 2]
    assert recipe.optimizer.generator.lr == 0.001
    assert recipe.optimizer.discriminator.betas == (0.1, 0.2)
    assert recipe.optimizer.discriminator.schedule.name == "linear"
    assert recipe.optimizer.generator.schedule.end == 0.5
    assert recipe.optimizer.generator.schedule.name == "cosine"  # kept from the recipe
    assert recipe.penalties[0].weight == 9
    assert recipe.penalties[0].schedule.name == "cosine"
    assert recipe.penalties[0].name == "r1"
    assert (recipe.loss.smoothing.real, recipe.loss.smoothing.fake) == (0.1, 0.0)
    assert recipe.evaluation.metrics == ["kid"]
    assert recipe.micro_batch == 4
    assert recipe.ema.ramp_up is None
    assert recipe.title == "a=b"


@pytest.mark.parametrize("swap", [False, True])
def test_another_network_starts_from_its_own_defaults(base: Path, swap: bool) -> None:
    """Options of the network before mean nothing to it."""
    words = ["generator.name=mlp", "generator.dropout=0.1"]
    recipe = load_recipe(base, words[::-1] if swap else words)
    assert (recipe.generator.name, recipe.generator.options()) == ("mlp", {"dropout": 0.1})
    assert recipe.discriminator.options() == {"width": 8}
    assert load_recipe(base, ["generator.name=dcgan"]).generator.options() == {"width": 8}


def test_a_recipe_built_in_code_takes_overrides(base: Path) -> None:
    built = Recipe.model_validate({"name": "mine", "steps": 5, "generator": {"angle": 2.5}})
    recipe = load_recipe(built, {"seed": 3, "generator.name": "mine:Mine"})
    assert (recipe.name, recipe.steps, recipe.seed) == ("mine", 5, 3)
    assert recipe.generator.options() == {"angle": 2.5}
    assert built.seed == 0
    assert load_recipe(built) == built
    read = load_recipe(base)
    assert load_recipe(read, ["generator.name=mlp"]).generator.options() == {}
    read.optimizer.generator.lr = 0.5
    assert load_recipe(read).optimizer.generator.lr == 0.5


def test_overrides_from_python_are_a_mapping() -> None:
    recipe = load_recipe("ring", {"seed": 5, "penalties": [{"name": "r2", "every": 2}]})
    assert recipe.seed == 5
    assert recipe.penalties[0].every == 2


@pytest.mark.parametrize(
    ("override", "message", "hint"),
    [
        ("discrimnator.width=3", "`discrimnator.width`", "did you mean `discriminator.width`?"),
        ("stesp=3", "`stesp`", "did you mean `steps`?"),
        ("optimizer.generator.rl=3", "`optimizer.generator.rl`", "`optimizer.generator.lr`"),
        ("optimizer.genrator.lr=3", "`optimizer.genrator.lr`", "`optimizer.generator.lr`"),
        ("penalties.0.wieght=3", "`penalties.0.wieght`", "`penalties.0.weight`"),
        ("evaluation.qqq=3", "`evaluation.qqq`", "known keys: evaluation.metrics,"),
        ("penalties.1.weight=3", "`penalties.1.weight`: the list has 1 entries", "penalties.0"),
        ("penalties.x.weight=3", "penalties.x", ""),
        ("steps", "`steps` is not an override", "key=value"),
        ("=3", "`=3` is not an override", "key=value"),
        ("steps=[", "cannot read the value `[`", "quote"),
        ("steps=0", "steps=0: ", "steps=VALUE"),
        ("steps=many", "steps='many': ", "steps=VALUE"),
        ("steps.more=3", "steps={'more': 3}", "steps=VALUE"),
        ("steps=", "steps=None", "steps=VALUE"),
        ("seed=-1", "seed=-1", "seed=VALUE"),
        ("seed=9007199254740992", "seed=9007199254740992", "seed=VALUE"),
        ("data.channels=2", "data.channels=2", "data.channels=VALUE"),
        ("data.size=0", "data.size=0", "data.size=VALUE"),
        ("loss.smoothing=0.6", "loss.smoothing.real=0.6", "loss.smoothing.real=VALUE"),
        ("latent.prior=cauchy", "latent.prior='cauchy'", "latent.prior=VALUE"),
        ("penalties.0.every=0", "penalties.0.every=0", "penalties.0.every=VALUE"),
        ("optimizer.generator.betas=[0.5, 1]", "betas.1=1", "VALUE"),
        ("optimizer.generator.lr=nan", "optimizer.generator.lr", "VALUE"),
        ("optimizer.generator.lr=.inf", "optimizer.generator.lr", "VALUE"),
        ("precision.generator=fp16", "precision.generator='fp16'", "VALUE"),
        ("optimizer.generator.schedule=exponential", "end above 0", "generator.schedule=VALUE"),
        ("0=5", "`0`: there is no such key", "known keys: "),
    ],
)
def test_a_wrong_override_is_told_with_its_key(
    base: Path, override: str, message: str, hint: str
) -> None:
    problem = problem_of(base, override)
    assert message in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no keys"),
        ("- a\n- b", "holds no keys"),
        ("steps: [1, 2", "cannot be read as YAML"),
        ("steps: 5\n\tseed: 1", "cannot be read as YAML"),
        ("seed: !!python/object/apply:os.system ['true']", "cannot be read as YAML"),
        ("stesp: 5", "`stesp`"),
        ("optimizer: {generator: {learning: 3}}", "`optimizer.generator.learning`"),
        ("penalties: [{name: r1, wieght: 3}]", "`penalties.0.wieght`"),
        ("penalties: {name: r1}", "penalties"),
        ("optimizer: adam", "optimizer='adam'"),
        ("steps: 1.5", "steps=1.5"),
        ("generator: {width: 3, name: 7}", "generator.name=7"),
        ("1: 2", "1"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    problem = problem_of(written(tmp_path, text))
    assert message in problem.message


def test_merges_of_merges_end_at_once(tmp_path: Path) -> None:
    """Ten to the eleventh keys in a page: PyYAML 6.0.4 merges each once, older ones are bound."""
    lines = [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join(["a0: &a0 {x: 1, y: 2}", *lines]))
    started = time.monotonic()
    with pytest.raises(InputError, match=r"more than 10,000 values|no such key"):
        load_recipe(path)
    assert time.monotonic() - started < 5


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    assert "does not exist" in problem_of(tmp_path / "missing.yaml").message
    big = written(tmp_path, "# " + "x" * 1_000_000, "big.yaml")
    assert "over 1 MB" in problem_of(big).message
    binary = tmp_path / "binary.yml"
    binary.write_bytes(b"\xff\xfe\x00steps")
    assert "cannot be read" in problem_of(binary).message
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    assert "Is a directory" in problem_of(folder).message


def test_a_recipe_there_is_not_is_told_with_the_nearest() -> None:
    assert problem_of("digts").hint.startswith("did you mean `digits`?")
    problem = problem_of("quite-another")
    assert "choose one of: " in problem.hint
    assert ".yaml" in problem.hint


def test_a_file_needs_few_keys_and_is_named_after_itself(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, "steps: 5", "my-own.yaml"))
    assert recipe == Recipe(name="my-own", steps=5)
    assert recipe.data.name == "mnist5k"


def test_the_text_of_a_recipe_is_as_it_was_written(tmp_path: Path) -> None:
    path = written(tmp_path, "# mine\nsteps: 5\n")
    assert recipe_text(path) == "# mine\nsteps: 5\n"
    assert yaml.safe_load(recipe_text("digits"))["data"] == {"name": "mnist5k"}


def test_differences_name_keys_and_both_values(base: Path) -> None:
    old = load_recipe(base)
    new = load_recipe(base, ["steps=9", "optimizer.generator.lr=3", "generator.depth=2"])
    assert differences(old, old) == {}
    assert differences(old, new) == {
        "steps": (old.steps, 9),
        "optimizer.generator.lr": (old.optimizer.generator.lr, 3.0),
        "generator.depth": (None, 2),
    }
    other = load_recipe(base, ["penalties.0.weight=7"])
    ((key, (before, after)),) = differences(old, other).items()
    assert key == "penalties"
    assert (before[0]["name"], after[0]["weight"]) == ("r1", 7.0)


def test_values_are_checked_when_they_are_set_from_python() -> None:
    recipe = load_recipe("digits")
    with pytest.raises(ValueError, match="greater than 0"):
        recipe.steps = -1


def test_an_override_is_parsed_as_yaml() -> None:
    assert parse_override("a.b=[1, x]") == ("a.b", [1, "x"])
    assert parse_override("a={b: 1.5}") == ("a", {"b": 1.5})
    assert parse_override("a=true") == ("a", True)
    assert parse_override("a=x=y") == ("a", "x=y")


def test_overrides_are_left_as_they_were() -> None:
    given = {"evaluation": {"samples": 100}, "evaluation.final_metrics": ["kid"]}
    assert load_recipe("digits", given).evaluation.final_metrics == ["kid"]
    assert given == {"evaluation": {"samples": 100}, "evaluation.final_metrics": ["kid"]}
