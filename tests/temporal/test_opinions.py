"""Opinions of one colour: how much each counts, and what becomes of colours that nobody agrees on."""

from __future__ import annotations

import numpy as np
import pytest

from vidcolor.temporal.opinions import MOST, agreed, counted_on, unlikeness, weight_of, without_grain

SIZE = (24, 32)


def plane(value: float) -> np.ndarray:
    return np.full(SIZE, value, np.float32)


def chroma(cb: float, cr: float, bit_depth: int = 8) -> np.ndarray:
    """Of one colour, ``cb`` and ``cr`` from neutral in 8-bit codes."""
    codes = np.array((128 + cb, 128 + cr)) * 2 ** (bit_depth - 8)
    return np.broadcast_to(codes.round(), (*SIZE, 2)).astype(np.uint8 if bit_depth == 8 else np.uint16)


def test_every_opinion_counts_the_same() -> None:
    """Of full belief: the first hears the second, and each later one is one more of a mean."""
    foreseen, votes = plane(1), plane(2)
    shares = list[float]()
    for _ in range(12):
        shares.append(float(weight_of(plane(1), votes, foreseen)[0, 0]))
        votes, foreseen = counted_on(plane(1), votes, foreseen), plane(0)
    assert shares[0] == 1  # its own is in it
    assert shares[1:8] == pytest.approx([n / (n + 1) for n in range(2, 9)])
    assert shares[8:] == pytest.approx([MOST / (MOST + 1)] * 4)
    assert votes.max() == MOST


@pytest.mark.parametrize("belief", [0.0, 0.3])
def test_what_is_not_believed_hardly_counts(belief: float) -> None:
    assert weight_of(plane(belief), plane(4), plane(0)).max() <= belief
    assert counted_on(plane(belief), plane(4), plane(0)) == pytest.approx(1 + 4 * belief)


@pytest.mark.parametrize("bit_depth", [8, 10])
def test_two_that_say_the_same_are_as_loud(bit_depth: int) -> None:
    one = chroma(-30, 40, bit_depth)
    found = agreed(one, one, plane(0.5), plane(1), bit_depth)
    assert found.dtype == np.float32
    assert np.abs(found - one).max() < 1e-3 * 2**bit_depth


@pytest.mark.parametrize("bit_depth", [8, 10])
def test_two_that_differ_fade(bit_depth: int) -> None:
    loud, grey, opposite = (chroma(c, -c, bit_depth) for c in (40, 0, -40))
    unit = 2 ** (bit_depth - 8)
    for other in (grey, opposite):
        found = (agreed(loud, other, plane(0.5), plane(1), bit_depth) - 128 * unit) / unit
        mean = ((loud.astype(float) + other) / 2 - 128 * unit) / unit
        assert np.abs(found).max() <= 0.4 * np.abs(mean).max() + 1e-3
    # What is pale fades by little: nobody would see it.
    pale = agreed(chroma(4, -4, bit_depth), grey, plane(0.5), plane(1), bit_depth) / unit - 128
    assert np.abs(pale).max() > 0.75 * 2


def test_a_third_opinion_only_takes_its_part() -> None:
    found = agreed(chroma(0, 0), chroma(30, 30), weight_of(plane(1), plane(2), plane(0)), plane(2), 8)
    assert found == pytest.approx(128 + 30 * 2 / 3, abs=0.01)


def test_where_nothing_is_carried_it_is_the_own() -> None:
    own = chroma(12, 20)
    assert np.array_equal(agreed(own, chroma(-60, -60), plane(0), plane(1), 8), own)


@pytest.mark.parametrize("bit_depth", [8, 10])
def test_a_quiet_mean_is_as_strong_as_what_it_is_of(bit_depth: int) -> None:
    unit = 2 ** (bit_depth - 8)
    one, other = chroma(5, 0, bit_depth), chroma(3, 4, bit_depth)  # both five from neutral
    found = agreed(one, other, weight_of(plane(1), plane(2), plane(0)), plane(2), bit_depth) / unit - 128
    mean = np.hypot(3 + 2 / 3, 4 * 2 / 3)
    assert mean < 4.6
    assert np.hypot(*found[12, 16]) == pytest.approx(5, abs=0.05)


def test_what_is_loud_or_opposed_is_not_made_strong() -> None:
    """Opinions that differ so much may be wrong."""
    third = weight_of(plane(1), plane(2), plane(0))
    loud = agreed(chroma(50, 0), chroma(30, 40), third, plane(2), 8) - 128
    assert np.hypot(*loud[12, 16]) < 1.015 * np.hypot(50 / 3 + 20, 80 / 3)
    opposed = agreed(chroma(-6, 0), chroma(6, 0), third, plane(2), 8) - 128
    assert np.hypot(*opposed[12, 16]) <= 1.25 * 2


@pytest.mark.parametrize("bit_depth", [8, 10])
def test_unlike_are_colours_that_have_nothing_in_common(bit_depth: int) -> None:
    one, other, grey = (chroma(*ab, bit_depth) for ab in ((20, 0), (0, 20), (0, 0)))
    small = plane(1)[::2, ::2]  # belief may be of another size
    assert unlikeness(one, one, small, bit_depth) == 0
    assert unlikeness(one, other, small, bit_depth) == pytest.approx(1)
    assert unlikeness(one, grey, small, bit_depth) == pytest.approx(1)
    assert unlikeness(one, chroma(-20, 0, bit_depth), small, bit_depth) == pytest.approx(2)
    assert unlikeness(one, chroma(10, 0, bit_depth), small, bit_depth) == pytest.approx(0.2)
    assert unlikeness(grey, grey, small, bit_depth) == 0


def test_only_what_is_believed_is_compared() -> None:
    one, other = chroma(20, 0), chroma(20, 0)
    other[:, 16:] = 90
    belief = plane(1)
    belief[:, 15:] = 0
    assert unlikeness(one, other, belief, 8) == 0
    assert unlikeness(one, other, plane(0), 8) == 0


@pytest.mark.parametrize("bit_depth", [8, 10])
def test_grain_goes_and_edges_stay(bit_depth: int) -> None:
    unit = 2 ** (bit_depth - 8)
    clean = chroma(-10, 20, bit_depth).copy()
    clean[:, 16:] = chroma(30, -5, bit_depth)[:, 16:]
    grainy = clean + np.random.default_rng(0).integers(-unit, unit + 1, clean.shape).astype(clean.dtype)
    found = without_grain(grainy.astype(np.float32), 3, bit_depth)
    assert found.dtype == clean.dtype
    off = np.abs(found.astype(float) - clean) / unit
    assert off.mean() < 0.4 * np.abs(grainy.astype(float) - clean).mean() / unit
    assert off[:, 14:18].max() <= 1.5  # beside the edge as well
    assert np.abs(found.astype(int) - grainy).max() <= unit


def test_codes_without_grain_are_codes() -> None:
    wide = np.random.default_rng(1).uniform(-0.6, 255.6, (*SIZE, 2)).astype(np.float32)
    found = without_grain(wide, 3, 8)
    assert np.abs(found - wide).max() <= 1.5 + 1e-3
    assert np.array_equal(without_grain(wide.round().clip(0, 255), 1e-3, 8), wide.round().clip(0, 255))
