"""Black borders, and what is none."""

from __future__ import annotations

import numpy as np

from tests.datasets.films import scene
from vidcolor.temporal.borders import NO_BORDERS, Borders, borders_of, find_borders


def boxed(seed: int, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    height, width = 120 - top - bottom, 200 - left - right
    noise = np.random.default_rng(seed).integers(14, 19, (120, 200)).astype(np.uint8)
    noise[top : 120 - bottom, left : 200 - right] = np.maximum(scene(seed, (width, height))[..., 1], 50)
    return noise


def test_letterbox_and_pillarbox() -> None:
    planes = [boxed(seed, 14, 15, 0, 0) for seed in range(6)]
    assert find_borders(planes, 8) == Borders(16, 17, 0, 0)
    planes = [boxed(seed, 0, 0, 25, 20) for seed in range(6)]
    assert find_borders(planes, 8) == Borders(0, 0, 27, 22)
    planes = [boxed(seed, 10, 10, 12, 12) for seed in range(6)]
    assert find_borders(planes, 8) == Borders(12, 12, 14, 14)
    assert find_borders([plane.astype(np.uint16) << 2 for plane in planes], 10) == Borders(12, 12, 14, 14)


def test_titles_and_nights_do_not_make_them_wider() -> None:
    title = np.full((120, 200), 16, np.uint8)
    title[40:80, 50:150] = 235
    night = np.full((120, 200), 18, np.uint8)
    planes = [boxed(seed, 10, 10, 0, 0) for seed in range(5)]
    assert find_borders([title, night, *planes], 8) == Borders(12, 12, 0, 0)


def test_where_there_are_none() -> None:
    assert find_borders([boxed(seed, 0, 0, 0, 0) for seed in range(6)], 8) == NO_BORDERS
    assert find_borders([boxed(seed, 14, 14, 0, 0) for seed in range(2)], 8) == NO_BORDERS  # too few to tell
    assert find_borders([np.full((120, 200), 16, np.uint8)] * 6, 8) == NO_BORDERS
    assert find_borders([boxed(seed, 40, 40, 0, 0) for seed in range(6)], 8) == NO_BORDERS  # hardly a border
    assert find_borders([], 8) == NO_BORDERS


# ---- of a single picture --------------------------------------------------------------------------


def lit(top: int, bottom: int, left: int, right: int, seed: int = 0) -> np.ndarray:
    """Lightness of :func:`boxed`."""
    return np.maximum(boxed(seed, top, bottom, left, right).astype(np.float32) - 16, 0) / 2.19


def test_borders_of_one_picture() -> None:
    assert borders_of(lit(14, 15, 0, 0)) == Borders(16, 17, 0, 0)
    assert borders_of(lit(0, 0, 25, 20)) == Borders(0, 0, 27, 22)
    assert borders_of(lit(10, 10, 12, 12)) == Borders(12, 12, 14, 14)
    assert borders_of(lit(0, 0, 0, 0)) == NO_BORDERS


def test_what_is_no_border_of_one_picture() -> None:
    assert borders_of(lit(14, 0, 0, 0)) == NO_BORDERS  # the night above a street
    assert borders_of(lit(1, 1, 0, 0)) == NO_BORDERS  # too thin to matter
    assert borders_of(lit(40, 40, 0, 0)) == NO_BORDERS
    assert borders_of(np.zeros((120, 200), np.float32)) == NO_BORDERS
    title = np.zeros((120, 200), np.float32)
    title[30:90, 40:160:3] = 90
    assert borders_of(title) == NO_BORDERS
    vignette = np.outer(np.hanning(120), np.ones(200)).astype(np.float32) ** 2 * 80
    assert borders_of(vignette) == NO_BORDERS
