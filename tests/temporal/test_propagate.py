"""Colour carried through drawn films whose true colour is known."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.temporal.drawn import colours, smaller, spans_of, square_over_ground, texture
from vidcolor.temporal import propagate
from vidcolor.temporal.anchors import Span
from vidcolor.temporal.blend import BlendNet, Mixture, load_blend
from vidcolor.temporal.propagate import Propagator

HEIGHT, WIDTH = 128, 192
HALF = (HEIGHT // 2, WIDTH // 2)
COUNT = 13
LUMA, CHROMA = square_over_ground(COUNT, HEIGHT, WIDTH)


@pytest.fixture(params=["plain", "trained"])
def net(request: pytest.FixtureRequest) -> BlendNet | None:
    return load_blend() if request.param == "trained" else None


@pytest.fixture(scope="module")
def span() -> Span:
    """The film up to its last frame, which is an anchor."""
    return spans_of(LUMA, anchors=(COUNT - 1,))[0]


def between(
    net: BlendNet | None, span: Span, opening: np.ndarray, closing: np.ndarray | None, depth: int = 8
) -> list[np.ndarray]:
    size = span.steps[0].picture.shape
    return list(Propagator((size[0], size[1]), depth, net).between(span, opening, closing))


def errors(found: list[np.ndarray], truth: list[np.ndarray]) -> np.ndarray:
    """Mean error of each frame, in codes."""
    assert len(found) == len(truth)
    return np.array([np.abs(a.astype(float) - b).mean() for a, b in zip(found, truth, strict=True)])


SIZES = [HALF, (HEIGHT, WIDTH), (HEIGHT, WIDTH // 2), (HEIGHT // 4, WIDTH // 4), (71, 113), (1, 1)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_colour_between_two_anchors_is_near_the_truth(
    net: BlendNet | None, span: Span, size: tuple[int, int]
) -> None:
    truth = [smaller(chroma, *size) for chroma in CHROMA]
    found = between(net, span, truth[0], truth[-1])
    assert all(c.shape == (*size, 2) and c.dtype == np.uint8 for c in found)
    error = errors(found, truth[1:-1])
    assert error.mean() < 1.5
    if size == (1, 1):
        return
    held = errors([truth[0]] * (COUNT - 2), truth[1:-1])
    assert error.mean() < 0.25 * held.mean()
    assert error.max() < 2
    # Where neither of the anchors is near, as well: worst pixels are borders of things.
    late = np.abs(found[-1].astype(float) - truth[-2]).max(-1)
    assert np.quantile(late, 0.95) < 8


def test_colour_from_one_anchor_is_near_the_truth(net: BlendNet | None, span: Span) -> None:
    truth = [smaller(chroma, *HALF) for chroma in CHROMA]
    found = between(net, Span(span.steps), truth[0], None)
    error, held = errors(found, truth[1:-1]), errors([truth[0]] * (COUNT - 2), truth[1:-1])
    assert error.mean() < 0.45 * held.mean()
    assert (error[1:] < 0.7 * held[1:]).all()
    both = errors(between(net, span, truth[0], truth[-1]), truth[1:-1])
    assert both.mean() < error.mean()
    # An anchor that is known of, but has no colour, says as little.
    for a, b in zip(found, between(net, span, truth[0], None), strict=True):
        assert np.array_equal(a, b)


def test_the_film_turned_round_has_the_colours_turned_round(net: BlendNet | None, span: Span) -> None:
    truth = [smaller(chroma, *HALF) for chroma in CHROMA]
    turned = spans_of(LUMA[::-1], anchors=(COUNT - 1,))[0]
    forwards = between(net, span, truth[0], truth[-1])
    backwards = between(net, turned, truth[-1], truth[0])[::-1]
    difference = [np.abs(a.astype(float) - b) for a, b in zip(forwards, backwards, strict=True)]
    # The network may think otherwise of before and after, but hardly where it is sure.
    assert np.mean(difference) < 0.5
    assert np.quantile(difference, 0.95) < 3


def test_ten_bits_are_the_same_colours(net: BlendNet | None, span: Span) -> None:
    truth = [smaller(chroma, *HALF) for chroma in CHROMA]
    deep = [chroma.astype(np.uint16) << 2 for chroma in truth]
    for closing in (True, False):
        eight = between(net, span, truth[0], truth[-1] if closing else None)
        ten = between(net, span, deep[0], deep[-1] if closing else None, depth=10)
        for a, b in zip(eight, ten, strict=True):
            assert b.dtype == np.uint16
            # Half a code of rounding each, and what moving by 1/32 of a pixel rounds.
            assert np.abs(4.0 * a - b).max() <= 6
            assert np.abs(4.0 * a - b).mean() < 1.5


@pytest.mark.parametrize("joined", [True, False], ids=["two anchors", "one anchor"])
@pytest.mark.parametrize("depth", [8, 10])
def test_a_still_film_keeps_its_anchors_colour(depth: int, joined: bool) -> None:
    (span, _) = spans_of(LUMA[:1] * 10, anchors=(9,))
    chroma = smaller(CHROMA[0], *HALF).astype(np.uint8 if depth == 8 else np.uint16) << (depth - 8)
    for found in between(load_blend(), span, chroma, chroma if joined else None, depth):
        assert np.abs(found.astype(int) - chroma).max() <= 1 << (depth - 8)


def test_a_still_film_plainly_keeps_all_but_a_trace() -> None:
    (span, _) = spans_of(LUMA[:1] * 6, anchors=(5,))
    chroma = smaller(CHROMA[0], *HALF)
    for found in between(None, span, chroma, chroma):
        assert np.abs(found.astype(int) - chroma).mean() < 0.2
        assert np.abs(found.astype(int) - chroma).max() <= 4


def test_between_anchors_that_disagree_colour_goes_from_one_to_the_other(net: BlendNet | None) -> None:
    (span, _) = spans_of(LUMA[:1] * 9, anchors=(8,))
    first, last = (np.full((*HALF, 2), value, np.uint8) for value in (118, 142))
    levels = [float(found.mean()) for found in between(net, span, first, last)]
    assert levels == sorted(levels)
    assert levels[3] == pytest.approx(130, abs=3)
    steps = np.diff([118, *levels, 142])
    assert steps.max() < 8


def test_neutral_stays_neutral(net: BlendNet | None, span: Span) -> None:
    grey = np.full((*HALF, 2), 128, np.uint8)
    for closing in (grey, None):
        for found in between(net, span, grey, closing):
            assert (found == 128).all()


def test_a_colour_on_everything_stays_on_everything(net: BlendNet | None, span: Span) -> None:
    """Whatever moves; what is uncovered may be calmer where the network doubts that it has the colour."""
    plain = np.full((*HALF, 2), (90, 170), np.uint8)
    for closing in (plain, None):
        for found in between(net, span, plain, closing):
            off = (found.astype(int) - plain) * np.where(plain < 128, 1, -1)
            assert off.min() >= -2
            assert off.max() <= (2 if net is None else 23)  # half of the colour is left at least
            assert np.quantile(off, 0.9) <= 2
            assert closing is None or np.quantile(off, 0.99) <= 2


def test_no_colour_is_beyond_those_of_the_anchors(net: BlendNet | None, span: Span) -> None:
    truth = [smaller(chroma, *HALF) for chroma in CHROMA]
    ends = np.stack((truth[0], truth[-1])).reshape(-1, 2)
    for found in between(net, span, truth[0], truth[-1]):
        assert (found.reshape(-1, 2).min(0) >= np.minimum(ends.min(0), 128) - 1).all()
        assert (found.reshape(-1, 2).max(0) <= np.maximum(ends.max(0), 128) + 1).all()


def test_a_thing_that_neither_anchor_saw_has_the_colour_around_it(net: BlendNet | None) -> None:
    """A mild ground with a loud red field at its left; for some frames there is something on the ground."""
    ground, thing = texture(20, HEIGHT, WIDTH), texture(21, 44, 44, fine=4)
    colour = colours(20, HEIGHT, WIDTH, (136, 120), reach=6)
    colour[:, :56] = (90, 220)
    film = [ground.copy() for _ in range(11)]
    for number, picture in enumerate(film[3:8]):
        picture[40:84, 90 + 4 * number : 134 + 4 * number] = thing
    chroma = smaller(colour, *HALF)
    (span, _) = spans_of(film, anchors=(10,))
    for number, found in enumerate(between(net, span, chroma, chroma)[2:7]):
        inside = found[20:42, 45 + 2 * number : 67 + 2 * number].reshape(-1, 2).astype(int)
        around = chroma[:, 36:].reshape(-1, 2).astype(int)
        # Between neutral, which is the colour of what nothing is known of, and the ground's.
        low, high = np.minimum(around.min(0), 128), np.maximum(around.max(0), 128)
        assert (inside >= low - 3).all()
        assert (inside <= high + 3).all()
        # And it leaves the ground's colour and the field's as they are.
        left = np.abs(found[:, :24].astype(int) - chroma[:, :24])
        assert left.max() <= (1 if net is not None else 4)


def test_what_comes_into_the_picture_is_coloured_from_the_anchor_that_shows_it(net: BlendNet | None) -> None:
    """A red thing slides in after the first anchor and is in the last: before the last, it is red."""
    ground, thing = texture(22, HEIGHT, WIDTH), texture(23, 60, 60)
    colour, red = colours(22, HEIGHT, WIDTH, (140, 110), reach=8), colours(23, 60, 60, (100, 190), reach=8)
    film, truth = [], []
    for number in range(13):
        seen = min(5 * number, 60)
        picture, own = ground.copy(), colour.copy()
        if seen:
            picture[30:90, WIDTH - seen :], own[30:90, WIDTH - seen :] = thing[:, :seen], red[:, :seen]
        film.append(picture)
        truth.append(smaller(own, *HALF))
    (span, _) = spans_of(film, anchors=(12,))
    found = between(net, span, truth[0], truth[-1])
    error = np.array([np.abs(f.astype(float) - t) for f, t in zip(found, truth[1:-1], strict=True)])
    for number in (6, 8, 10):
        edge = (WIDTH - 5 * (number + 1)) // 2
        assert error[number][18:42, edge + 3 :].mean() < 8
        assert error[number][:, : edge - 6].mean() < 1.5


def test_what_is_given_is_left_as_it_is(net: BlendNet | None, span: Span) -> None:
    truth = [smaller(chroma, *HALF) for chroma in CHROMA]
    kept = truth[0].copy(), truth[-1].copy()
    for given in (truth[0], truth[-1]):
        given.setflags(write=False)
    first, again = (between(net, span, truth[0], truth[-1]) for _ in range(2))
    assert np.array_equal(truth[0], kept[0])
    assert np.array_equal(truth[-1], kept[1])
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_spans_of_any_length(net: BlendNet | None, count: int) -> None:
    film = LUMA[:count]
    truth = [smaller(chroma, *HALF) for chroma in CHROMA[:count]]
    for joined in (False, True) if count > 1 else (False,):
        span = spans_of(film, anchors=(count - 1,) if joined else ())[0]
        span.closing = span.closing if joined else None
        found = between(net, span, truth[0], truth[-1] if joined else None)
        assert len(found) == len(span.steps) - 1
        assert all(e < 3 for e in errors(found, truth[1 : len(found) + 1]))


def test_a_film_larger_than_the_size_that_motion_is_known_at(net: BlendNet | None) -> None:
    larger = [cv2.resize(picture, (WIDTH * 3 // 2, HEIGHT * 3 // 2)) for picture in LUMA]
    truth = [smaller(chroma, HEIGHT * 3 // 4, WIDTH * 3 // 4) for chroma in CHROMA]
    span = spans_of(larger, anchors=(COUNT - 1,), size=(HEIGHT, WIDTH))[0]
    error = errors(between(net, span, truth[0], truth[-1]), truth[1:-1])
    assert error.mean() < 1.5


# ---- from anchor to anchor --------------------------------------------------------------------


@pytest.mark.parametrize("depth", [8, 10])
def test_what_an_anchor_says_of_the_next(span: Span, depth: int) -> None:
    truth = [
        smaller(chroma, *HALF).astype(np.uint8 if depth == 8 else np.uint16) << (depth - 8)
        for chroma in CHROMA
    ]
    carried, belief = Propagator((HEIGHT, WIDTH), depth, load_blend()).onto_closing(span, truth[0])
    assert carried.shape == truth[0].shape
    assert carried.dtype == truth[0].dtype
    assert belief.shape == (HEIGHT, WIDTH)
    assert belief.dtype == np.float32
    assert belief.min() >= 0
    assert belief.max() <= 1
    error = np.abs(carried.astype(float) - truth[-1]).max(-1) / (1 << (depth - 8))
    sure = cv2.resize(belief, HALF[::-1], interpolation=cv2.INTER_AREA) > 0.9
    # What is believed is right, and much of what is in both is believed.
    assert sure.mean() > 0.4
    assert error[sure].mean() < 2
    assert np.quantile(error[sure], 0.95) < 6
    assert belief[:, WIDTH - 8 :].mean() < 0.35  # came into the picture from the right


def test_the_networks_own_device_stays() -> None:
    shared = load_blend()
    Propagator(HALF, 8, shared, device="meta")
    assert load_blend() is shared
    assert {parameter.device.type for parameter in shared.parameters()} == {"cpu"}


def test_mixing_keeps_to_its_thread_and_leaves_torch_as_it_was(
    span: Span, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, threads = list[int](), torch.get_num_threads()
    mix = propagate.mix

    def counted(*given: Any) -> Mixture:
        counts.append(torch.get_num_threads())
        return mix(*given)

    monkeypatch.setattr(propagate, "mix", counted)
    between(None, span, CHROMA[0], CHROMA[-1])
    assert set(counts) == {1}
    assert torch.get_num_threads() == threads
