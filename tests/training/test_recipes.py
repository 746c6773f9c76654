"""Every recipe in the package builds its model and takes a step with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training.sets import make_pictures
from vidcolor.models import load_weights
from vidcolor.training.loop import train
from vidcolor.training.options import list_recipes, load_recipe, recipe_from, recipe_to_dict

# Made small: fewer channels, no extractor that would have to be installed.
SMALL: dict[str, dict[str, Any]] = {
    "unet": {"widths": [4, 8]},
    "simple": {"widths": [4, 4, 4]},
    "classifier": {"widths": [4, 4], "dilations": [1, 2]},
    "cgan": {"widths": [4, 8], "image": 32},
    "fusion": {"extractor": "none"},
    "light": {"widths": [4, 4, 8, 8]},
    "twostream": {"global_size": 32},
    "compact-vgg16": {"pretrained": False},
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"), 8, (40, 40))


@pytest.mark.parametrize("name", list_recipes())
def test_a_step_of_every_recipe(
    name: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidcolor.training.folder.draw_curves", lambda path, rows, title: None)
    values = recipe_to_dict(load_recipe(name))
    model = values["model"]["name"]
    start = values["model"]["weights"]
    if not start:
        values["model"]["options"] |= SMALL.get(model, {})
    values["data"] |= {"size": [32, 32], "test_share": 0.3}
    values["run"] |= {"batch": 2, "steps": 1, "time_limit": 1.0, "validation_pictures": 2, "keep": "last"}
    output = tmp_path / "out.safetensors"
    outcome = train(recipe_from(values), [pictures], output, device="cpu")
    assert (outcome.reason, outcome.step) == ("finished", 1)
    assert outcome.held_out["psnr"] > 5
    trained = load_weights(output)
    assert trained.training["recipe"]["name"] == name
    assert trained.training["parameters"] == trained.model.parameter_count


def test_paper_settings() -> None:
    """The facts of PAPERS.md that a recipe could get wrong."""
    told = {
        name: (r.optimizer.name, r.optimizer.rate, r.run.batch, r.data.size[0], r.loss.name)
        for name, r in ((name, load_recipe(name)) for name in list_recipes())
    }
    assert told["a1-simple"] == ("adam", 1e-3, 32, 224, "l2")
    assert told["a2-classifier"] == ("adam", 1e-3, 8, 224, "cross-entropy")
    assert told["a3-cgan"] == ("adam", 1e-3, 32, 224, "l1")
    assert told["a3-cgan-480"] == ("adam", 1e-3, 32, 480, "l1")
    assert told["b1-fusion"] == ("adam", 1e-3, 64, 224, "mse")
    assert told["b3-fusion-msle"] == ("adam", 1e-3, 64, 224, "msle")
    assert told["c1-light"] == ("adam", 2e-4, 32, 64, "cross-entropy")
    assert told["d1-twostream"][2] == 64
    assert told["e1-compact"] == ("adadelta", 1.0, 20, 128, "l2")
    for name in ("e2-compact-classifier", "e3-dilated", "e4-dilated-concat", "e5-vgg16"):
        assert told[name] == ("adadelta", 1.0, 20, 128, "cross-entropy")
        assert load_recipe(name).loss.soft
    for name in ("a3-cgan", "a3-cgan-480"):
        assert (load_recipe(name).loss.weight, load_recipe(name).loss.adversarial) == (100.0, True)
    assert load_recipe("c1-light").loss.distribution == 0.4
