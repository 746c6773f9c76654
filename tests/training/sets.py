"""Small pictures to train on, and recipes that take a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from tests.datasets.films import shot, write_film
from vidcolor.datasets.build import build_dataset
from vidcolor.training.data import Batch
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


def make_film_set(folder: Path, **options: Any) -> Path:
    """A set of whole frames, 96 × 64: every other one of three pans of 2 pixels a frame."""
    film = write_film(folder / "film.mkv", [*shot(1, 24), *shot(2, 20), *shot(3, 16)])
    how = {"stride": 2, "size": None, "format": "png", "duplicate": 0, "borders": False, "least": 1}
    build_dataset([film], folder / "set", **{**how, **options})
    return folder / "set"


def assert_same(one: Batch, other: Batch) -> None:
    """Bit for bit."""
    assert torch.equal(one.rgb, other.rgb)
    assert torch.equal(one.film, other.film)
    assert (one.greys, one.hints) == (other.greys, other.hints)
    for a, b in zip(one.carried, other.carried, strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            np.testing.assert_array_equal(a.rgb, b.rgb)
            np.testing.assert_array_equal(a.at, b.at)
            np.testing.assert_array_equal(a.confidence, b.confidence)
            np.testing.assert_array_equal(a.mix, b.mix)
