"""Data sets and folders of pictures evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data as photographs
from skimage.metrics import peak_signal_noise_ratio

from vidcolor.datasets.build import build_dataset
from vidcolor.datasets.options import BuildOptions
from vidcolor.errors import InputError
from vidcolor.evaluation.options import EvaluateOptions
from vidcolor.evaluation.pictures import evaluate_folders, evaluate_set
from vidcolor.models import create_model, save_weights
from vidcolor.pipeline.options import RunOptions

GREY = RunOptions(model="grey")


def photos(folder: Path, count: int = 8, size: int = 48) -> Path:
    """Parts of photographs."""
    folder.mkdir(parents=True)
    for number in range(count):
        source = (photographs.astronaut(), photographs.chelsea()[:, :300])[number % 2]
        top = 12 * number
        part = np.ascontiguousarray(source[top : top + 3 * size, top : top + 4 * size])
        small = cv2.resize(part, (size * 4 // 3, size), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    return folder


def read(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def test_the_grey_model_scores_what_grey_scores(tmp_path: Path) -> None:
    folder = photos(tmp_path / "set")
    data = evaluate_set(folder, GREY).data
    figures = data["figures"]
    assert data["kind"] == "pictures"
    assert data["measured"]["pictures"] == 8
    assert figures["psnr"]["mean"] == pytest.approx(figures["psnr_grey"]["mean"], abs=0.02)
    assert figures["colorfulness_ratio"]["mean"] == pytest.approx(0, abs=0.01)
    known = []
    for path in folder.iterdir():
        rgb = read(path)
        luma = np.rint(rgb @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
        known.append(peak_signal_noise_ratio(rgb, np.repeat(luma[..., None], 3, -1), data_range=255))
    assert figures["psnr_grey"]["mean"] == pytest.approx(np.mean(known), abs=0.01)
    assert figures["psnr"]["low"] < figures["psnr"]["mean"] < figures["psnr"]["high"]


def test_the_grid_is_sorted_by_error(tmp_path: Path) -> None:
    outcome = evaluate_set(photos(tmp_path / "set"), GREY, EvaluateOptions(pictures=True))
    errors = [panel.facts["ciede2000"] for panel in outcome.gallery.grid]
    assert len(errors) == 8
    assert errors == sorted(errors, reverse=True)
    assert all(panel.labels == ("grey", "result", "truth") for panel in outcome.gallery.grid)


def test_a_built_set_has_its_held_out_pictures_measured(tmp_path: Path) -> None:
    photos(tmp_path / "photos" / "a"), photos(tmp_path / "photos" / "b")
    options = BuildOptions(size=None, resize=48, test_share=0.5, split="random", duplicate=0)
    build_dataset([tmp_path / "photos"], tmp_path / "set", options)
    held = json.loads((tmp_path / "set" / "dataset.json").read_text())
    data = evaluate_set(tmp_path / "set", GREY).data
    assert data["part"] == "test"
    assert data["measured"]["pictures"] == sum(1 for _ in (tmp_path / "set" / "test").rglob("*.jpg"))
    assert held["format"] == 1
    whole = evaluate_set(tmp_path / "set", GREY, EvaluateOptions(split="all")).data
    assert whole["measured"]["pictures"] == 16
    assert whole["groups"].keys() == {"a", "b"}
    for group, told in whole["groups"].items():
        rows = [row for row in whole["pictures"]["rows"] if row["group"] == group]
        assert told["pictures"] == told["figures"]["psnr"]["count"] == len(rows) == 8
        for name in ("psnr", "gain", "colorfulness"):
            figure = told["figures"][name]
            assert figure["mean"] == pytest.approx(np.mean([row[name] for row in rows]), abs=1e-4)
            assert figure["low"] <= figure["mean"] <= figure["high"]
        true = told["figures"]["colorfulness"]["truth"]
        assert true == pytest.approx(np.mean([row["true_colorfulness"] for row in rows]), abs=1e-4)


def test_pictures_that_the_model_may_know_are_told_of(tmp_path: Path) -> None:
    folder, weights = photos(tmp_path / "mine"), tmp_path / "w.safetensors"
    for names, told in ((["mine"], True), (["others"], False)):
        training = {"pictures": {"sets": names}}
        save_weights(weights, create_model("tiny"), name="tiny", training=training, version="9")
        said: list[str] = []
        run = RunOptions(model=str(weights), network_size=32)
        evaluate_set(folder, run, EvaluateOptions(limit=2), notify=said.append)
        assert any("trained on a set called 'mine'" in sentence for sentence in said) == told


def test_a_limit_is_drawn_by_the_seed(tmp_path: Path) -> None:
    folder = photos(tmp_path / "set")
    names = [
        [row["name"] for row in evaluate_set(folder, GREY, options).data["pictures"]["rows"]]
        for options in (EvaluateOptions(limit=3), EvaluateOptions(limit=3), EvaluateOptions(limit=3, seed=5))
    ]
    assert names[0] == names[1] != names[2]
    assert len(names[0]) == 3


def test_damaged_pictures_are_named_and_left_out(tmp_path: Path) -> None:
    folder = photos(tmp_path / "set")
    (folder / "bad.png").write_bytes(b"no picture")
    data = evaluate_set(folder, GREY).data
    assert data["measured"]["pictures"] == 8
    assert data["notices"] == ["1 picture that cannot be read: left out (bad.png)."]


def test_nothing_to_measure(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        evaluate_set(tmp_path / "empty", GREY)
    (tmp_path / "empty" / "bad.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="None of the 1 pictures"):
        evaluate_set(tmp_path / "empty", GREY)


def test_folders_are_paired_by_name(tmp_path: Path) -> None:
    truths, results = photos(tmp_path / "truths"), photos(tmp_path / "results")
    (results / "0.png").unlink()
    data = evaluate_folders(results, truths).data
    assert data["figures"]["psnr"]["mean"] == 99.0
    assert data["measured"]["pictures"] == 7
    assert data["notices"] == ["1 picture without a partner of its name in the other folder: left out."]


def test_folders_that_do_not_go_together(tmp_path: Path) -> None:
    truths, results = photos(tmp_path / "truths"), photos(tmp_path / "results", size=40)
    with pytest.raises(InputError, match="0 is 53x40 in .* and 64x48 in .*: only pictures of one size"):
        evaluate_folders(results, truths)
    for path in results.iterdir():
        path.rename(path.with_stem(f"other-{path.stem}"))
    with pytest.raises(
        InputError, match=r"No picture of .*results \(8\) has the name of one of .*truths \(8\)"
    ):
        evaluate_folders(results, truths)
