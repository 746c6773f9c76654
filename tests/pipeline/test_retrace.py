"""Bringing back what was said: what something passed before is found again."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vidcolor.motion import FlowFinder
from vidcolor.pipeline.retrace import alike, believed, follow_back, found_again
from vidcolor.temporal.track import Way

SIZE = (96, 160)


def ground() -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 1, SIZE).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.clip(110 + 45 * soft / soft.std(), 0, 255).astype(np.uint8)


def passing(frames: int = 16) -> list[np.ndarray]:
    """A dark bar that goes by before what stands still, out of the picture at both ends."""
    pictures = []
    for n in range(frames):
        picture = ground()
        left = -45 + 14 * n
        picture[:, max(0, left) : max(0, left + 40)] = 15 + picture[:, max(0, left) : max(0, left + 40)] // 16
        pictures.append(picture)
    return pictures


def test_what_was_hidden_on_the_way_is_found_again() -> None:
    pictures = passing()
    way = follow_back(pictures, [0, len(pictures) - 1])[0]
    inside = (slice(8, -8), slice(8, -8))
    rows, columns = np.indices(SIZE, dtype=np.float32)
    off = np.hypot(way.places[..., 0] - columns, way.places[..., 1] - rows)[inside]
    assert (believed(way.trust)[inside] > 0.9).mean() > 0.9
    assert np.percentile(off, 95) < 1


def test_what_is_not_there_is_not_found() -> None:
    there, here = ground(), ground()
    rng = np.random.default_rng(5)
    there[30:70, 60:110] = cv2.GaussianBlur(rng.integers(0, 256, (40, 50), np.uint8), (0, 0), 2)
    lost = Way(np.dstack(np.indices(SIZE, dtype=np.float32)[::-1]), np.zeros(SIZE, np.float32))
    found = found_again(FlowFinder(*SIZE), lost, here, there)
    trust = believed(alike(found, here, there))
    assert trust[36:64, 66:104].mean() < 0.1
    assert trust[10:24, 10:150].mean() > 0.9


@pytest.mark.parametrize("trust", [0.0, 1.0])
def test_what_was_followed_stays(trust: float) -> None:
    picture = ground()
    moved = np.roll(picture, 3, 1)
    places = np.dstack(np.indices(SIZE, dtype=np.float32)[::-1])
    places[..., 0] += 3
    found = found_again(FlowFinder(*SIZE), Way(places, np.full(SIZE, trust, np.float32)), picture, moved)
    if trust:
        np.testing.assert_array_equal(found.places, places)
    else:
        assert (found.trust[8:-8, 8:-8] > 0.5).mean() > 0.9
