"""Recipes: what they may hold, what is refused and how."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from vidcolor.errors import InputError, UsageError
from vidcolor.training.options import (
    Recipe,
    RunOptions,
    list_recipes,
    load_recipe,
    recipe_from,
    recipe_to_dict,
)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("runn.batch", "4", "There is no key 'runn'; a recipe takes name, summary, model, data,"),
        ("run.bach", "4", r"There is no key 'run.bach'; \[run\] takes seed, batch,"),
        ("run.batch", "0", "'run.batch' must be at least 1, not 0"),
        ("run.batch", "2.5", "'run.batch' must be a whole number, not 2.5"),
        ("run.batch", "true", "'run.batch' must be a whole number, not True"),
        ("run.batch", "many", "'run.batch' must be a whole number, not 'many'"),
        ("optimizer.rate", "0", "'optimizer.rate' must be above 0, not 0"),
        ("optimizer.rate", "inf", "'optimizer.rate' must be above 0, not inf"),
        ("optimizer.rate", "nan", "'optimizer.rate' must be above 0, not nan"),
        (
            "optimizer.name",
            "lion",
            "'optimizer.name' must be one of adam, adamw, adadelta, adadelta-nesterov, sgd, muon, not 'lion'",
        ),
        ("data.hints", "1.5", "'data.hints' must be at least 0 and at most 1, not 1.5"),
        ("data.motion_hints", "-0.1", "'data.motion_hints' must be at least 0 and at most 1, not -0.1"),
        ("data.motion_hints", "1.5", "'data.motion_hints' must be at least 0 and at most 1, not 1.5"),
        ("data.motion_hints", "all", "'data.motion_hints' must be a number, not 'all'"),
        (
            "data.motion_hints",
            "0.9",
            "'data.hints' and 'data.motion_hints' must be at most 1 together, not 0.2 and 0.9",
        ),
        ("data.size", "[64]", r"'data.size' must be a list of 2 numbers, not \[64\]"),
        ("data.size", "[8, 64]", "'data.size' must be at least 16, not 8"),
        ("data.scale", "[0.9, 0.5]", "'data.scale' must rise, not fall from 0.9 to 0.5"),
        ("data.flip", "1", "'data.flip' must be true or false, not 1"),
        ("model", "3", r"'model' must be a table, \[model\], not 3"),
        ("summary.x", "3", "'summary.x' is no key of a recipe: 'summary' holds a value"),
    ],
)
def test_what_is_wrong_is_said(key: str, value: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        load_recipe("unet", [(key, value)])


def test_values_are_changed() -> None:
    changed = load_recipe(
        "unet",
        [
            ("optimizer.rate", "2"),
            ("data.grey", "blue"),
            ("model.options.widths", "[8, 16]"),
            ("name", "x y"),
        ],
    )
    assert changed.optimizer.rate == 2.0
    assert isinstance(changed.optimizer.rate, float)
    assert changed.data.grey == "blue"
    assert changed.model.options == {"widths": [8, 16]}
    assert changed.name == "x y"
    assert load_recipe("unet").model.options == {}


def test_hints_of_both_kinds_may_fill_every_sample() -> None:
    shares = [("data.hints", "0.1"), ("data.motion_hints", "0.9")]
    assert load_recipe("unet", shares).data.motion_hints == 0.9
    assert recipe_from({}).data.motion_hints == 0


def test_an_empty_recipe_is_the_defaults() -> None:
    assert recipe_from({}) == Recipe()
    assert recipe_from({}).run == RunOptions()


def test_every_default_passes_its_own_check() -> None:
    assert recipe_from(recipe_to_dict(Recipe())) == Recipe()


@pytest.mark.parametrize("name", list_recipes())
def test_packaged_recipes_come_back_from_plain_values(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.summary
    assert recipe_from(recipe_to_dict(recipe)) == recipe


def test_every_paper_system_has_a_recipe() -> None:
    systems = {name.partition("-")[0] for name in list_recipes()}
    assert systems >= {
        "a1",
        "a2",
        "a3",
        "b1",
        "b3",
        "c1",
        "d1",
        "e1",
        "e2",
        "e3",
        "e4",
        "e5",
        "unet",
        "episode",
    }


def test_a_file_is_a_recipe_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[run]\nbatch = 3\n[optimizer]\nname = "sgd"\n')
    recipe = load_recipe(str(path))
    assert (recipe.name, recipe.run.batch, recipe.optimizer.name) == ("mine", 3, "sgd")


def test_no_such_recipe() -> None:
    with pytest.raises(UsageError, match=r"There is no recipe 'unett'; give a1-simple, .*, or a TOML file"):
        load_recipe("unett")


def test_a_recipe_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'.*gone\.toml' cannot be read: No such file"):
        load_recipe(str(tmp_path / "gone.toml"))
    broken = tmp_path / "broken.toml"
    broken.write_text("[run\nbatch = 3")
    with pytest.raises(UsageError, match="is not TOML: .*line 1, column 5"):
        load_recipe(str(broken))
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read: it is no text"):
        load_recipe(str(broken))


def test_every_option_is_explained() -> None:
    source = Path(__import__("vidcolor.training.options").training.options.__file__).read_text()
    for section in fields(Recipe):
        kind = type(getattr(Recipe(), section.name))
        for option in fields(kind) if hasattr(kind, "__dataclass_fields__") else ():
            assert f"    {option.name}: " in source
