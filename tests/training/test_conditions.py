"""Training with labels and with when and where: from the pictures to a film."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vidcolor
from tests.clips import make_clip
from tests.training.sets import PLAIN, make_pictures, recipe
from vidcolor.datasets.manifest import Picture
from vidcolor.errors import UsageError
from vidcolor.frames import Metadata
from vidcolor.models import create_model, load_weights, save_weights
from vidcolor.models.conditions import condition_vector
from vidcolor.training.data import Batches
from vidcolor.training.loop import train
from vidcolor.training.options import DataOptions
from vidcolor.training.pictures import open_pictures
from vidcolor.training.state import go_on_from


@pytest.fixture(autouse=True)
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidcolor.training.folder.draw_curves", lambda path, rows, title: None)


def test_labels_go_from_folders_into_the_weights_and_back(tmp_path: Path) -> None:
    pictures = make_pictures(tmp_path / "set", 14, labels=2)
    made = recipe(data__labels=True, data__metadata=True, run__steps=4)
    train(made, [pictures], tmp_path / "w.safetensors", device="cpu")
    model = load_weights(tmp_path / "w.safetensors").model
    assert model.labels == ("kind0", "kind1")
    assert model.takes_metadata
    assert model.known.weight[:, :2].abs().sum() > 0  # it learnt from the labels
    assert not model.known.weight[:, 2:].any()  # no picture says when or where


def test_a_resumed_run_knows_its_labels(tmp_path: Path) -> None:
    pictures, made = make_pictures(tmp_path / "set", 14, labels=2), recipe(data__labels=True, run__steps=4)
    train(made, [pictures], tmp_path / "whole.safetensors", device="cpu")
    short = replace(made, run=replace(made.run, steps=2))
    train(short, [pictures], tmp_path / "parts.safetensors", device="cpu")
    train(made, [pictures], tmp_path / "parts.safetensors", device="cpu", resume=True)
    assert load_weights(tmp_path / "parts.safetensors").model.labels == ("kind0", "kind1")


def test_some_samples_are_told_nothing(tmp_path: Path) -> None:
    pictures = [
        Picture(path, "train", "cat", Metadata(hour=6))
        for path in sorted(make_pictures(tmp_path / "set", 4).glob("*.png"))
    ]
    told = condition_vector(["cat"], True, label="cat", hour=6)

    def share(unknown: float) -> float:
        options = DataOptions(size=(16, 16), unknown=unknown)
        batches = Batches(pictures, options, size=200, seed=3, hints=False, describe=lambda picture: told)
        condition = batches.at(0).condition
        assert condition is not None
        known = (condition == torch.from_numpy(told)).all(1)
        assert ((condition == 0).all(1) | known).all()
        return known.float().mean().item()

    assert share(0) == 1
    assert share(1) == 0
    assert 0.55 < share(0.3) < 0.85


def test_weights_without_conditions_can_be_gone_on_from(tmp_path: Path) -> None:
    torch.manual_seed(1)
    start = create_model("unet", widths=[4, 8])
    torch.nn.init.normal_(start.head.weight)
    model = create_model("unet", widths=[4, 8], labels=["cat"])
    go_on_from(model, start)
    lightness = torch.rand(1, 1, 16, 16) * 100
    assert torch.equal(model.eval()(lightness), start.eval()(lightness))
    with pytest.raises(RuntimeError):
        go_on_from(create_model("unet", widths=[4, 9], labels=["cat"]), start)


def test_labels_where_there_are_none_are_refused(tmp_path: Path) -> None:
    plain, labelled = make_pictures(tmp_path / "plain", 8), make_pictures(tmp_path / "labelled", 8, labels=2)
    with pytest.raises(UsageError, match="'data.labels' is for pictures with labels"):
        open_pictures(recipe(), [plain]).conditioned(recipe(data__labels=True))
    simple = recipe({**PLAIN, "model": {"name": "tiny"}}, data__labels=True)
    with pytest.raises(UsageError, match="'data.labels' and 'data.metadata' are for unet"):
        open_pictures(simple, [labelled]).conditioned(simple)


def test_a_film_is_coloured_as_its_label_and_its_date_say(tmp_path: Path) -> None:
    torch.manual_seed(2)
    options: dict[str, Any] = {"widths": [4, 8], "labels": ["cat", "owl"], "metadata": True}
    model = create_model("unet", **options)
    for weight in (model.head.weight, model.known.weight):
        torch.nn.init.normal_(weight)
    save_weights(tmp_path / "w.safetensors", model, name="unet", options=options, version="9")

    def colour(name: str, source: Path, **more: Any) -> bytes:
        film = tmp_path / f"{name}.mkv"
        vidcolor.colorize(source, film, model=str(tmp_path / "w.safetensors"), codec="ffv1",
                          network_size=32, device="cpu", **more)  # fmt: skip
        with vidcolor.open_video(film) as reader:
            return b"".join(bytes(np.asarray(f.carrier.planes[1])) for f in reader.frames())

    film = make_clip(tmp_path / "a.mkv", size=(64, 48), frames=3)
    dated = make_clip(
        tmp_path / "b.mkv", size=(64, 48), frames=3, tags={"DATE_RECORDED": "1931-07-02 06:00:00"}
    )
    cat, owl, nothing = colour("cat", film, label="cat"), colour("owl", film, label="owl"), colour("x", film)
    assert len({cat, owl, nothing}) == 3
    assert colour("dated", dated) != nothing
    with pytest.raises(UsageError, match="does not know the label 'bear'; it knows cat, owl"):
        colour("bear", film, label="bear")
    with pytest.raises(UsageError, match="knows no labels"):
        vidcolor.colorize(film, tmp_path / "g.mkv", model="tiny", label="cat")
