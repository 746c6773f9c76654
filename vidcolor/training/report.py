"""What a run shows of itself, in its working folder: numbers, curves, samples.

::

    metrics.csv          a row for each look at held-out pictures
    curves.png           the same, drawn
    samples/000400.png   rows of grey, truth, result after that step
    tensorboard/         the same for TensorBoard, where it is installed
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vidcolor.files import write_aside
from vidcolor.training.augment import Pixels
from vidcolor.training.held_out import Look

__all__ = ["Row", "TensorBoard", "draw_curves", "write_metrics", "write_samples"]

Row = dict[str, float]
"""Step, epoch, seconds, and figures by name; every row of a run has the same names."""

_REFERENCES = ("grey_psnr", "true_colorfulness")
"""Figures of the pictures, not of the network: the same at every step."""
_GAP = 4
_HEADER = 22
_LEAST_WIDTH = 120
"""Of a picture on a sheet; smaller ones are enlarged by a whole factor."""


def write_metrics(path: Path, rows: Sequence[Row]) -> None:
    """All rows as CSV, one header line."""

    def write(target: Path) -> None:
        with open(target, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in rows)

    write_aside(path, write)


def write_samples(path: Path, look: Look) -> None:
    """A PNG with a row for each sample: grey, truth, result."""
    rows = [
        _beside([_enlarged(picture) for picture in (cv2.cvtColor(g, cv2.COLOR_GRAY2RGB), t, r)])  # type: ignore[arg-type]
        for g, t, r in zip(look.grey, look.truth, look.result, strict=True)
    ]
    sheet = np.concatenate([_titles(rows[0].shape[1]), *rows])
    write_aside(path, lambda target: _write_png(target, sheet))


def _enlarged(picture: Pixels) -> Pixels:
    """Small pictures so large that one can see them, pixel by pixel."""
    times = max(-(-_LEAST_WIDTH // picture.shape[1]), 1)
    return np.repeat(np.repeat(picture, times, 0), times, 1)


def _beside(pictures: Sequence[Pixels]) -> Pixels:
    gap = np.full((pictures[0].shape[0], _GAP, 3), 255, np.uint8)
    row = np.concatenate([p for picture in pictures for p in (picture, gap)][:-1], 1)
    return np.concatenate([row, np.full((_GAP, row.shape[1], 3), 255, np.uint8)])


def _titles(width: int) -> Pixels:
    band = np.full((_HEADER, width, 3), 255, np.uint8)
    for number, title in enumerate(("grey", "truth", "result")):
        place = (number * (width + _GAP) // 3 + 2, _HEADER - 7)
        cv2.putText(band, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
    return band


def _write_png(path: Path, rgb: Pixels) -> None:
    done, data = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    assert done
    path.write_bytes(data.tobytes())


def draw_curves(path: Path, rows: Sequence[Row], title: str) -> None:
    """Loss in training and validation, of generator and discriminator where there are two; PSNR; colour."""
    # On a canvas of its own: pyplot would keep every figure, and look for a window system.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [
        ("loss", {"train_loss": "training", "val_loss": "validation"}),
        ("PSNR of held-out pictures, dB", {"psnr": "result", "grey_psnr": "grey"}),
        ("colourfulness of held-out pictures", {"colorfulness": "result", "true_colorfulness": "truth"}),
    ]
    if "train_discriminator" in rows[0]:
        panels[0] = (
            "generator loss",
            {"train_loss": "training, with adversarial term", "val_loss": "validation"},
        )
        lines = {"train_discriminator": "training", "val_discriminator": "validation"}
        panels.insert(1, ("discriminator loss", lines))
    figure = Figure(figsize=(4.6 * len(panels), 3.8), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    for axis, (name, lines) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        _plot(axis, name, rows, lines)
    write_aside(path, lambda target: figure.savefig(target))


def _plot(axis: Any, title: str, rows: Sequence[Row], lines: dict[str, str]) -> None:
    """One panel; ``lines`` are columns and what to call them."""
    steps = [row["step"] for row in rows]
    marker = "o" if len(rows) < 40 else None
    for (column, label), color in zip(lines.items(), ("tab:blue", "tab:orange"), strict=True):
        values = [row[column] for row in rows]
        if column in _REFERENCES:
            axis.axhline(values[-1], linestyle="--", color="0.4", linewidth=1.2, label=label)
        else:
            axis.plot(steps, values, label=label, color=color, marker=marker, markersize=2.5, linewidth=1.4)
    if "colorfulness" in lines:
        axis.set_ylim(bottom=0)
    axis.set_title(title, fontsize=10)
    axis.set_xlabel("step")
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=9)


class TensorBoard:
    """Rows for TensorBoard where it is installed; else nothing."""

    def __init__(self, folder: Path) -> None:
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._writer = SummaryWriter(str(folder))

    def add(self, row: Row) -> None:
        """Hands on a row."""
        if self._writer is not None:
            for name, value in row.items():
                if name != "step":
                    self._writer.add_scalar(name, value, int(row["step"]))

    def close(self) -> None:
        """Writes out what is held."""
        if self._writer is not None:
            self._writer.close()
