"""What belongs to the same thing, and ways back through a shot, on drawn pictures."""

from __future__ import annotations

import numpy as np
import pytest

from tests.temporal.drawn import pan
from vidcolor.pipeline.advice import Said, over
from vidcolor.pipeline.likeness import reach
from vidcolor.pipeline.retrace import believed, brought, chained, follow_back


def test_a_thing_is_reached_and_what_is_beyond_its_edge_is_not() -> None:
    guide = np.full((60, 80, 1), 40, np.float32)
    guide[10:50, 10:40] = 120
    seeds = np.zeros((60, 80), bool)
    seeds[30, 15] = True
    found = reach(guide, seeds)
    inside = np.zeros((60, 80), bool)
    inside[10:50, 10:40] = True
    assert (found.nearness[~inside] == 0).all()
    assert (found.source[~inside] == -1).all()
    assert found.nearness[30, 15] == 1
    assert found.nearness[30, 15:25].min() > 0.3
    assert (found.source[28:33, 12:20] == 30 * 80 + 15).all()
    # Falls with the distance, and ends.
    assert (np.diff(found.nearness[30, 15:40]) <= 0).all()
    assert found.nearness[30, 39] == 0


def test_each_place_belongs_to_the_nearest_seed() -> None:
    seeds = np.zeros((40, 60), bool)
    seeds[20, 20] = seeds[20, 30] = True
    found = reach(np.zeros((40, 60, 3), np.float32), seeds)
    assert found.source[20, 22] == 20 * 60 + 20
    assert found.source[20, 28] == 20 * 60 + 30


def test_nothing_is_reached_from_nowhere() -> None:
    found = reach(np.zeros((20, 30, 1), np.float32), np.zeros((20, 30), bool))
    assert (found.source == -1).all()
    assert (found.nearness == 0).all()


def test_everything_is_its_own_seed() -> None:
    found = reach(np.random.default_rng(1).random((20, 30, 1)).astype(np.float32), np.ones((20, 30), bool))
    assert (found.source.ravel() == np.arange(600)).all()
    assert (found.nearness == 1).all()


@pytest.mark.parametrize("stations", [[0, 20], [0, 7, 20]])
def test_ways_lead_back_along_the_motion(stations: list[int]) -> None:
    """A camera that moves right by 1.5 pixels: what is at x was at x + 30 twenty frames before."""
    ways = follow_back(pan(3, 21, 1.5), stations)
    assert list(ways) == stations[:-1]
    way = ways[stations[0]]
    for station in stations[1:-1]:
        way = chained(way, ways[station])
    places = way.places[30:70, 60:130]
    expected = np.arange(60, 130) - 30
    assert np.abs(places[..., 0] - expected).mean() < 0.5
    assert believed(way.trust)[30:70, 60:130].mean() > 0.9
    # What the camera has left is nowhere in the last frame.
    assert believed(way.trust)[:, :20].mean() < 0.2


def test_what_is_said_moves_with_its_way() -> None:
    ways = follow_back(pan(3, 11, 2.0), [0, 10])
    chroma = np.full((48, 72, 2), 128, np.uint8)
    weight = np.zeros((48, 72), np.float32)
    chroma[20:30, 30:40], weight[20:30, 30:40] = (90, 200), 1
    found = brought(Said(chroma, weight), ways[0])
    assert found.weight[22:28, 42:48].min() > 0.9
    assert found.chroma[22:28, 42:48, 1].min() > 190
    assert found.weight[22:28, 30:37].max() < 0.1


def test_the_first_to_speak_counts_most() -> None:
    def said(value: int, weight: float) -> Said:
        return Said(np.full((4, 4, 2), value, np.uint8), np.full((4, 4), weight, np.float32))

    assert over(said(10, 1), said(200, 1)).chroma.max() == 10
    both = over(said(100, 0.5), said(200, 1))
    assert both.chroma.max() == 150
    assert both.weight.max() == 1
    assert over(said(10, 0), said(200, 0.5)).chroma.max() == 200
    alone = said(10, 0.3)
    assert over(alone, None) is alone
