"""Small pictures to train on, and recipes that take a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vidcolor.training.options import Recipe, recipe_from

PLAIN: dict[str, Any] = {
    "model": {"name": "unet", "options": {"widths": [4, 8]}},
    "data": {"size": [16, 16], "hints": 0.3, "old_film": 0.3, "grey": "random", "test_share": 0.3},
    "loss": {"name": "huber"},
    "optimizer": {"name": "adamw", "rate": 3e-3, "weight_decay": 0.01, "clip": 50.0},
    "schedule": {"name": "cosine", "warmup": 2},
    "run": {"batch": 4, "steps": 8, "ema": 0.9, "validate_every": 3, "validation_pictures": 4},
}
ADVERSARIAL: dict[str, Any] = {
    "model": {"name": "cgan", "options": {"widths": [4, 8], "image": 16}},
    "data": {"size": [16, 16], "test_share": 0.3},
    "loss": {"name": "l1", "weight": 100.0, "adversarial": True},
    "optimizer": {"name": "adam", "rate": 1e-3},
    "run": {"batch": 4, "steps": 8, "validate_every": 3, "validation_pictures": 4},
}


def recipe(base: dict[str, Any] = PLAIN, **changes: Any) -> Recipe:
    """A recipe with some values changed, ``section__key=value``."""
    values = {section: dict(keys) for section, keys in base.items()}
    for name, value in changes.items():
        section, _, key = name.partition("__")
        values.setdefault(section, {})[key] = value
    return recipe_from(values)


def make_pictures(folder: Path, count: int = 10, size: tuple[int, int] = (24, 20), labels: int = 0) -> Path:
    """PNG files, each a smooth ramp between two colours that its brightness tells."""
    rng = np.random.default_rng(count)
    for number in range(count):
        inside = folder / f"kind{number % labels}" if labels else folder
        inside.mkdir(parents=True, exist_ok=True)
        ends = np.array([[200, 60, 30], [20, 90, 160]]) + rng.integers(-20, 60, (2, 3))
        ramp = np.linspace(0, 1, size[1])[None, :, None] * np.linspace(1, 0.5, size[0])[:, None, None]
        picture = ends[0] * (1 - ramp) + ends[1] * ramp
        cv2.imwrite(str(inside / f"{number:03d}.png"), np.clip(picture, 0, 255).astype(np.uint8))
    return folder
