"""What a run leaves behind to look at."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import pytest

from tests.training.sets import ADVERSARIAL, PLAIN, make_pictures, recipe
from vidcolor.models import load_weights
from vidcolor.training.loop import train
from vidcolor.training.report import TensorBoard


@pytest.mark.parametrize(("base", "panels"), [(PLAIN, 3), (ADVERSARIAL, 4)])
def test_what_a_run_leaves_behind(base: dict[str, Any], panels: int, tmp_path: Path) -> None:
    output = tmp_path / "out.safetensors"
    pictures = make_pictures(tmp_path / "pictures", 14)
    train(recipe(base), [pictures], output, device="cpu")
    folder = tmp_path / "out.training"
    assert sorted(p.name for p in folder.iterdir() if p.name != "tensorboard") == [
        "best.safetensors", "checkpoint.safetensors", "curves.png", "last.safetensors", "metrics.csv",
        "samples",
    ]  # fmt: skip
    with open(folder / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["3", "6", "8"]
    assert all(float(row["train_loss"]) > 0 and float(row["val_loss"]) > 0 for row in rows)
    assert ("val_discriminator" in rows[0]) == (panels == 4)
    assert cv2.imread(str(folder / "curves.png")).shape == (380, 460 * panels, 3)
    assert [p.name for p in sorted((folder / "samples").iterdir())] == ["000003.png", "000008.png"]
    sheet = cv2.imread(str(folder / "samples" / "000008.png"))
    # 16 pixels eight times enlarged, three beside each other, 4 pixels between; a title above four rows.
    assert sheet.shape == (22 + 4 * (128 + 4), 3 * 128 + 2 * 4, 3)
    training = load_weights(output).training
    assert training["pictures"] == {"sets": [pictures.name], "train": 10, "held_out": 4}
    assert training["held_out"]["pictures"] == 4
    assert training["epochs"] == training["steps"] * 4 / 10
    assert str(tmp_path) not in str(training)


@pytest.mark.parametrize("base", [PLAIN, ADVERSARIAL])
def test_the_time_is_up_before_the_first_step(base: dict[str, Any], tmp_path: Path) -> None:
    output, pictures = tmp_path / "out.safetensors", make_pictures(tmp_path / "pictures", 14)
    outcome = train(recipe(base, run__time_limit=1e-9), [pictures], output, device="cpu")
    assert (outcome.step, load_weights(output).training["steps"]) == (0, 0)
    with open(tmp_path / "out.training" / "metrics.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["step"], row["train_loss"]) == ("0", "nan")
    assert float(row["val_loss"]) > 0
    assert (tmp_path / "out.training" / "curves.png").exists()


def test_tensorboard_gets_every_figure_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            assert folder == str(tmp_path)

        def add_scalar(self, name: str, value: float, step: int) -> None:
            seen.append((name, value, step))

        def close(self) -> None:
            seen.append(("closed", 0, 0))

    there = ModuleType("torch.utils.tensorboard")
    there.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", there)
    board = TensorBoard(tmp_path)
    board.add({"step": 3.0, "val_loss": 0.5})
    board.close()
    assert seen == [("val_loss", 0.5, 3), ("closed", 0, 0)]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # as if it were not installed
    TensorBoard(tmp_path).add({"step": 3.0})
