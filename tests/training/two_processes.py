"""What test_distributed compares; run as a module it is one of the processes that train together."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch

from tests.training.sets import ADVERSARIAL, PLAIN, recipe
from vidcolor.training import folder
from vidcolor.training.loop import train
from vidcolor.training.options import Recipe

CLASSIFIER: dict[str, Any] = {
    **PLAIN,
    "model": {"name": "light", "options": {"widths": [4, 4, 8, 8]}},
    "loss": {"name": "cross-entropy", "rarity": 1.0, "distribution": 0.4},
}


def recipes() -> dict[str, Recipe]:
    """Batch normalisation; two networks against each other; a loss of the whole batch.

    The last only for two steps: a classifier this small is so unsteady that differences in the seventh
    digit are large after twenty.
    """
    short = {"run__steps": 20, "run__validate_every": 15, "run__keep": "last"}
    steady = {**short, "run__steps": 2, "optimizer__name": "sgd", "optimizer__rate": 1e-3}
    return {
        "unet": recipe(PLAIN, **short),
        "cgan": recipe(ADVERSARIAL, **short),
        "light": recipe(CLASSIFIER, **steady),
    }


def train_all(pictures: Path, output: Path, ports: list[str]) -> None:
    """Each of the recipes, into a folder; several processes meet at a new port for each."""
    for (name, made), port in zip(recipes().items(), ports, strict=True):
        os.environ["MASTER_PORT"] = port
        train(made, [pictures], output / f"{name}.safetensors", device="cpu")


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder.draw_curves = lambda path, rows, title: None
    train_all(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
