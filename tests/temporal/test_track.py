"""Following an anchor through films whose motion is known."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from tests.temporal.drawn import pan, square_over_ground, texture, window
from vidcolor.motion import Flow, FlowFinder, grid, warp
from vidcolor.temporal.track import PHOTOMETRIC, Tracker, Way, seen_share

HEIGHT, WIDTH = 96, 144
Flows = list[tuple[Flow, Flow]]


def flows_of(film: Sequence[np.ndarray]) -> Flows:
    """Between each frame and the next: from the later to the earlier, and there from the earlier."""
    find = FlowFinder(*film[0].shape)
    return [(find(later, earlier), find(earlier, later)) for earlier, later in pairwise(film)]


def ways(film: Sequence[np.ndarray], flows: Flows | None = None) -> list[Way]:
    """From each frame after the first to the first."""
    tracker = Tracker(FlowFinder(*film[0].shape), film[0])
    flows = flows or flows_of(film)
    return [tracker.step(picture, *both) for picture, both in zip(film[1:], flows, strict=True)]


def belief(way: Way, picture: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """Trust in the way and in what it leads to, as the colours are weighed by."""
    difference = warp(anchor, way.places).astype(np.float32) - picture
    return way.trust * np.exp(-((difference / PHOTOMETRIC) ** 2))


@pytest.mark.parametrize("step", [2.3, 0.4, -1.5])
def test_a_pan_is_followed_over_forty_frames(step: float) -> None:
    film = pan(3, 41, abs(step), HEIGHT, WIDTH)
    if step < 0:
        film = film[::-1]
    found = ways(film)
    assert len(found) == 40
    for number, way in enumerate(found, 1):
        x = grid(HEIGHT, WIDTH)[..., 0] + step * number
        seen = (x >= 0) & (x <= WIDTH - 1)
        error = np.hypot(way.places[..., 0] - x, way.places[..., 1] - grid(HEIGHT, WIDTH)[..., 1])
        assert np.quantile(error[seen], 0.99) < 1
        assert error[seen].mean() < 0.3
        assert way.trust[seen].mean() > 0.75
        if (~seen).sum() > 5 * HEIGHT:
            assert way.trust[~seen].mean() < 0.1
        assert seen_share(way, film[number], film[0]) == pytest.approx(seen.mean(), abs=0.06)


@pytest.mark.parametrize("length", [1, 2, 4])
def test_what_a_flash_hides_is_found_again_after_it(length: int) -> None:
    film = pan(3, 24, 0.7, HEIGHT, WIDTH)
    plain = ways(film)
    for number in range(10, 10 + length):
        film[number] = np.clip(film[number].astype(int) * 2 + 40, 0, 255).astype(np.uint8)
    flashed = ways(film)
    for number in range(10 + length, 23):
        assert flashed[number].trust.mean() > 0.9 * plain[number].trust.mean()
        apart = np.abs(flashed[number].places - plain[number].places)[..., 0]
        assert np.median(apart) < 0.3


def test_another_picture_is_not_taken_for_a_flash() -> None:
    for way in ways([*pan(3, 10, 0.7, HEIGHT, WIDTH), *pan(4, 12, 0.7, HEIGHT, WIDTH)])[10:]:
        assert way.trust.mean() < 0.45


def test_what_is_found_is_in_the_anchor_and_trust_is_a_share() -> None:
    for way in ways([*pan(3, 12, 9, HEIGHT, WIDTH), *pan(4, 3, 2, HEIGHT, WIDTH)]):
        assert way.places.shape == (HEIGHT, WIDTH, 2)
        assert way.places.dtype == way.trust.dtype == np.float32
        assert way.trust.shape == (HEIGHT, WIDTH)
        assert way.places.min() >= 0
        assert way.places[..., 0].max() <= WIDTH - 1
        assert way.places[..., 1].max() <= HEIGHT - 1
        assert way.trust.min() > 0
        assert way.trust.max() <= 1


def test_a_still_picture_stays_where_it_is() -> None:
    film = [texture(5, HEIGHT, WIDTH)] * 6
    for way in ways(film):
        assert np.abs(way.places - grid(HEIGHT, WIDTH)).max() < 0.05
        assert way.trust.min() > 0.95
        assert seen_share(way, film[0], film[0]) == 1


def test_a_thing_that_comes_into_the_picture_is_not_believed() -> None:
    ground, thing = texture(6, HEIGHT, WIDTH), texture(7, 40, 40)
    film = [ground.copy() for _ in range(17)]
    for number, picture in enumerate(film[8:], 1):
        picture[30:70, WIDTH - 4 * number :] = thing[:, : 4 * number]
    way, x = ways(film)[-1], WIDTH - 36
    new = np.zeros((HEIGHT, WIDTH), bool)
    new[30:70, x:] = True
    believed = belief(way, film[-1], film[0])
    assert believed[new].mean() < 0.2
    assert believed[:, : x - 12].mean() > 0.9
    assert np.abs(way.places - grid(HEIGHT, WIDTH))[:, : x - 12].max() < 0.5
    assert 1 - seen_share(way, film[-1], film[0]) == pytest.approx(new.mean(), abs=0.03)


def test_what_was_never_there_is_told_from_what_was_lost_once() -> None:
    """Trust is the same for both, forgiven; the trace is not: it counts how often a pixel was lost."""
    ground, thing = texture(6, HEIGHT, WIDTH), texture(7, 40, 40)
    film = [ground.copy() for _ in range(10)]
    for number, picture in enumerate(film[4:], 1):
        picture[30:70, WIDTH - 6 * number :] = thing[:, : 6 * number]
    found = ways(film)
    for way in found:
        assert way.traced is not None
        assert way.traced.shape == way.trust.shape
        assert way.traced.dtype == np.float32
        assert way.traced.min() > 0
        assert np.array_equal(way.trust, np.maximum(way.traced, way.trust.min()))
    # The thing's front edge came in six frames ago, its end now.
    first = [float(np.log10(way.traced[34:66, -5:]).mean()) for way in found[4:] if way.traced is not None]
    assert first == sorted(first, reverse=True)
    assert first[-1] < -6
    assert float(np.log10(found[-1].trust[34:66, -5:]).mean()) > -3.01


def test_another_picture_is_not_seen() -> None:
    film = [texture(8, HEIGHT, WIDTH), texture(9, HEIGHT, WIDTH)]
    (way,) = ways(film)
    assert way.trust.mean() < 0.3
    assert seen_share(way, film[1], film[0]) < 0.3


def test_what_was_lost_for_a_moment_is_found_again() -> None:
    film = pan(10, 24, 0.5, HEIGHT, WIDTH)
    film[10] = np.full_like(film[10], 250)  # a flash
    found = ways(film)
    assert seen_share(found[9], film[10], film[0]) < 0.05
    assert seen_share(found[-1], film[-1], film[0]) > 0.8
    x = grid(HEIGHT, WIDTH)[..., 0] + 0.5 * 23
    seen = x <= WIDTH - 1
    error = np.abs(found[-1].places[..., 0] - x)[seen]
    assert np.quantile(error, 0.9) < 1


def test_the_square_and_the_ground_go_their_own_ways() -> None:
    film, _ = square_over_ground(13)
    way = ways(film)[-1]
    moved = way.places - grid(*film[0].shape)
    # 12 frames on: the ground has gone 12 to the left, the square 30 to the right.
    ground, thing, uncovered = np.s_[104:, :150], np.s_[48:80, 56:88], np.s_[44:84, 12:36]
    assert np.abs(moved[ground] - (12, 0)).max() < 1
    assert np.quantile(np.abs(moved[thing] - (-30, 0)), 0.95) < 1
    believed = belief(way, film[-1], film[0])
    assert believed[ground].mean() > 0.9
    assert believed[thing].mean() > 0.6
    # The anchor did not show what the square uncovered.
    assert believed[uncovered].mean() < 0.5 * believed[thing].mean()


def test_backwards_is_forwards_in_the_film_turned_round() -> None:
    film = pan(11, 12, 1.7, HEIGHT, WIDTH)
    turned = film[::-1]
    backwards = Tracker(FlowFinder(HEIGHT, WIDTH), film[-1])
    found = [
        backwards.step(picture, forth, back)
        for picture, (back, forth) in zip(film[-2::-1], flows_of(film)[::-1], strict=True)
    ]
    for one, other in zip(found, ways(turned), strict=True):
        assert np.array_equal(one.places, other.places)
        assert np.array_equal(one.trust, other.trust)


def test_the_mirrored_film_is_followed_the_mirrored_way() -> None:
    film = pan(12, 15, 1.2, HEIGHT, WIDTH)
    straight = ways(film)[-1]
    mirrored = ways([np.ascontiguousarray(picture[:, ::-1]) for picture in film])[-1]
    back = mirrored.places[:, ::-1].copy()
    back[..., 0] = WIDTH - 1 - back[..., 0]
    seen = grid(HEIGHT, WIDTH)[..., 0] + 1.2 * 14 < WIDTH - 8
    assert np.abs(back - straight.places)[seen].max() < 1
    assert seen_share(mirrored, film[-1][:, ::-1], film[0][:, ::-1]) == pytest.approx(
        seen_share(straight, film[-1], film[0]), abs=0.03
    )


def test_a_step_leaves_what_it_is_given_and_what_it_gave() -> None:
    film = [window(texture(13, 60, 90), n, 0, 48, 64) for n in range(4)]
    flows = flows_of(film)
    for array in (*film, *(flow for both in flows for flow in both)):
        array.setflags(write=False)
    tracker = Tracker(FlowFinder(48, 64), film[0])
    first = tracker.step(film[1], *flows[0])
    kept = first.places.copy(), first.trust.copy()
    for picture, both in zip(film[2:], flows[1:], strict=True):
        tracker.step(picture, *both)
    assert np.array_equal(first.places, kept[0])
    assert np.array_equal(first.trust, kept[1])


@pytest.mark.parametrize("size", [(32, 384), (384, 32), (33, 47)], ids=str)
@pytest.mark.parametrize("level", [0, 128])
def test_plain_surfaces_and_strips_are_followed_somewhere(size: tuple[int, int], level: int) -> None:
    rng = np.random.default_rng(0)
    film = [(level + rng.integers(0, 3, size)).astype(np.uint8) for _ in range(4)]
    for number, way in enumerate(ways(film), 1):
        assert np.isfinite(way.places).all()
        assert np.isfinite(way.trust).all()
        assert 0 <= seen_share(way, film[number], film[0]) <= 1
