"""Motion between two pictures whose shift is known, and pictures in which there is nothing to find."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from tests.temporal.drawn import texture, window
from vidcolor.motion import Flow, FlowFinder, follow, grid, square, warp

HEIGHT, WIDTH = 120, 176
WIDE = texture(3, HEIGHT + 80, WIDTH + 160)


def shifted(dx: float, dy: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture, and one in which everything lies (dx, dy) further on."""
    return window(WIDE, 80, 40, HEIGHT, WIDTH), window(WIDE, 80 - dx, 40 - dy, HEIGHT, WIDTH)


def middle(flow: Flow, dx: float = 0, dy: float = 0) -> Flow:
    """The part of a flow that is in both pictures of a shift, away from the borders."""
    x, y = 20 + abs(int(dx)), 20 + abs(int(dy))
    return flow[y:-y, x:-x]


@pytest.mark.parametrize("preset", ["fast", "medium"])
@pytest.mark.parametrize("shift", [(3, 0), (0, -5), (2.5, 1.25), (-6, 4), (0, 0)], ids=str)
def test_a_known_shift_is_found(shift: tuple[float, float], preset: str) -> None:
    flow = FlowFinder(HEIGHT, WIDTH, preset)(*shifted(*shift))  # type: ignore[arg-type]
    assert flow.shape == (HEIGHT, WIDTH, 2)
    assert flow.dtype == np.float32
    assert np.abs(middle(flow, *shift) - np.array(shift)).max() < 0.3


def test_what_a_flow_leads_to_is_what_was_there() -> None:
    picture, other = shifted(4, -3)
    flow = FlowFinder(HEIGHT, WIDTH)(picture, other)
    seen = warp(other, follow(flow))
    assert np.abs(middle(seen, 4, 3).astype(int) - middle(picture, 4, 3)).mean() < 2
    assert np.abs(middle(other, 4, 3).astype(int) - middle(picture, 4, 3)).mean() > 10


@pytest.mark.parametrize("shift", [(40, 0), (-45, 10), (30, -15)], ids=str)
def test_a_large_shift_is_found_from_a_rough_start(shift: tuple[float, float]) -> None:
    finder, (picture, other) = FlowFinder(HEIGHT, WIDTH), shifted(*shift)
    about = np.full((HEIGHT, WIDTH, 2), (shift[0] + 3, shift[1] - 2), np.float32)
    found = finder.refined(picture, other, about)
    assert np.abs(middle(found, *shift) - np.array(shift)).max() < 0.3
    # It is the start that finds it.
    assert np.abs(middle(finder(picture, other), *shift) - np.array(shift)).mean() > 3


def test_a_start_that_is_right_is_kept() -> None:
    finder, (picture, other) = FlowFinder(HEIGHT, WIDTH), shifted(5, 2)
    found = finder(picture, other)
    again = finder.refined(picture, other, found)
    assert np.abs(middle(again - found, 5, 2)).max() < 0.3


SIZES = [(24, 128), (128, 24), (16, 300), (1, 1), (1, 64), (64, 1), (2, 3), (31, 33), (32, 32), (33, 31)]
SURFACES: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "noise": lambda rng, size: rng.integers(0, 256, size, np.uint8),
    "soft": lambda rng, size: cv2.blur(rng.integers(0, 256, size, np.uint8), (5, 5)).reshape(size),
    "plain": lambda rng, size: np.full(size, 128, np.uint8),
    "black": lambda rng, size: np.zeros(size, np.uint8),
    "dark": lambda rng, size: rng.integers(16, 18, size, np.uint8),
    "white": lambda rng, size: np.full(size, 255, np.uint8),
}


@pytest.mark.parametrize("surface", list(SURFACES))
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_any_size_and_surface_gives_a_bounded_flow(size: tuple[int, int], surface: str) -> None:
    rng = np.random.default_rng(0)
    finder, draw = FlowFinder(*size), SURFACES[surface]
    for _ in range(2):
        picture, other = draw(rng, size), draw(rng, size)
        about = rng.uniform(-2 * max(size), 2 * max(size), (*size, 2)).astype(np.float32)
        for flow in (finder(picture, other), finder.refined(picture, other, about)):
            assert flow.shape == (*size, 2)
            assert flow.dtype == np.float32
            assert np.isfinite(flow).all()
            assert np.abs(flow).max() <= max(size)


@pytest.mark.parametrize("size", [(24, 128), (16, 300), (31, 33)], ids=str)
def test_a_shift_is_found_in_a_low_strip(size: tuple[int, int]) -> None:
    wide = texture(5, size[0], size[1] + 8, fine=5)
    picture, other = window(wide, 4, 0, *size), window(wide, 2, 0, *size)
    flow = FlowFinder(*size)(picture, other)
    error = np.abs(flow - np.array((2, 0)))[:, 10:-10]
    assert np.median(error) < 0.3


@pytest.mark.parametrize("surface", ["plain", "black", "white"])
def test_nothing_moves_on_a_plain_surface(surface: str) -> None:
    picture = SURFACES[surface](np.random.default_rng(0), (48, 64))
    assert np.abs(FlowFinder(48, 64)(picture, picture)).max() < 1e-3


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((64, 48), np.uint8),
        np.zeros((48, 63), np.uint8),
        np.zeros((48, 64, 1), np.uint8),
        np.zeros((48, 64), np.uint16),
        np.zeros((48, 64), np.float32),
        np.zeros((48, 64), np.int8),
    ],
    ids=lambda bad: f"{bad.dtype}{bad.shape}",
)
def test_other_pictures_are_refused(bad: np.ndarray) -> None:
    finder, good = FlowFinder(48, 64), np.zeros((48, 64), np.uint8)
    about = np.zeros((48, 64, 2), np.float32)
    for pair in ((bad, good), (good, bad)):
        with pytest.raises(ValueError, match=r"a picture is uint8\(48, 64\), not"):
            finder(*pair)
        with pytest.raises(ValueError, match=r"a picture is uint8\(48, 64\), not"):
            finder.refined(*pair, about)


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (20, 70)], ids=str)
def test_what_is_given_is_left_as_it_is(size: tuple[int, int]) -> None:
    pictures = [window(WIDE, 30 + dx, 9, *size) for dx in (0, 2)]
    about = np.full((*size, 2), -1.5, np.float32)
    kept = [picture.copy() for picture in pictures]
    for given in (*pictures, about):
        given.setflags(write=False)
    finder = FlowFinder(*size)
    finder(*pictures)
    finder.refined(*pictures, about)
    for picture, copy in zip(pictures, kept, strict=True):
        assert np.array_equal(picture, copy)
    assert (about == -1.5).all()


def test_pictures_may_be_parts_of_others_and_stored_upside_down() -> None:
    picture, other = shifted(3, 1)
    finder = FlowFinder(HEIGHT, WIDTH)
    expected = finder(picture, other)
    framed = np.full((2, HEIGHT + 6, WIDTH + 10), 7, np.uint8)
    framed[:, 3:-3, 5:-5] = picture, other
    assert np.array_equal(finder(*framed[:, 3:-3, 5:-5]), expected)
    turned = [np.ascontiguousarray(p[::-1])[::-1] for p in (picture, other)]
    assert np.array_equal(finder(*turned), expected)


@pytest.mark.parametrize("preset", ["fast", "medium"])
@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (216, 384), (60, 88), (24, 80), (16, 40), (1, 1)], ids=str)
def test_it_says_the_same_again(size: tuple[int, int], preset: str) -> None:
    finder = FlowFinder(*size, preset)  # type: ignore[arg-type]
    picture, other, third = (texture(n, *size) for n in range(3))
    about = np.full((*size, 2), 3, np.float32)
    first, first_refined = finder(picture, other), finder.refined(picture, other, about)
    # What it finds of others leaves no trace, and what it said before is not written over.
    kept = first.copy()
    finder(other, third)
    finder.refined(third, picture, about)
    assert np.array_equal(finder(picture, other), first)
    assert np.array_equal(finder.refined(picture, other, about), first_refined)
    assert np.array_equal(first, kept)


@pytest.mark.parametrize(
    "sizes", [((120, 176), (60, 88)), ((24, 128), (128, 24)), ((96, 300), (16, 40))], ids=str
)
def test_finders_of_several_sizes_do_not_disturb_each_other(sizes: tuple[tuple[int, int], ...]) -> None:
    finders = [FlowFinder(*size) for size in sizes]
    for turn in range(4):
        for size, finder in zip(sizes, finders, strict=True):
            pictures = [texture(10 * turn + n, *size) for n in range(2)]
            about = np.full((*size, 2), turn - 2, np.float32)
            assert np.array_equal(finder(*pictures), FlowFinder(*size)(*pictures))
            assert np.array_equal(
                finder.refined(*pictures, about), FlowFinder(*size).refined(*pictures, about)
            )


def test_pictures_are_moved() -> None:
    rows, columns = np.mgrid[:6, :9]
    ramp = (10 * columns + 20 * rows).astype(np.uint8)
    places = grid(6, 9) + np.array((1.5, 0.5), np.float32)
    assert warp(ramp, places)[2, 3] == 10 * 4.5 + 20 * 2.5
    assert warp(ramp, places)[5, 8] == ramp[5, 8]  # beyond the edge the edge goes on
    assert warp(ramp, places, outside=0.0)[5, 8] == 0
    for dtype in (np.uint8, np.uint16, np.float32):
        pair = np.dstack((ramp, ramp)).astype(dtype)
        moved = warp(pair, places)
        assert moved.shape == (6, 9, 2)
        assert moved.dtype == dtype


def test_grid_follow_and_square() -> None:
    places = grid(4, 7)
    assert places[3, 5].tolist() == [5, 3]
    with pytest.raises(ValueError, match="read-only"):
        places[0, 0] = 1
    flow = np.full((4, 7, 2), (3, -4), np.float32)
    assert follow(flow)[1, 2].tolist() == [5, -3]
    assert (square(flow) == 25).all()
