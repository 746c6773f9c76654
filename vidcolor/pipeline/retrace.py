"""What is said of a frame, brought back to earlier frames of its shot.

A shot is followed from its last frame that something is said of back to its first, from station to station:
frames that will be anchors. Ways are chained, so that what is brought back is read from the frame it was
said of, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.motion import FlowFinder, scaled, warp
from vidcolor.pipeline.advice import Said
from vidcolor.temporal.track import Small, Tracker, Way, belief

__all__ = ["believed", "brought", "chained", "follow_back"]

_Map = npt.NDArray[np.float32]

_DOUBT, _SURE = 0.02, 0.15
"""Belief up to which nothing is taken of what was said, and from which on all of it is: a colour that was
said must not pale on its way."""


def believed(belief: _Map) -> _Map:
    """How far something said is kept where what brought it is believed so far; ``(h, w)`` in [0, 1]."""
    share = ((belief - np.float32(_DOUBT)) / np.float32(_SURE - _DOUBT)).clip(0, 1)
    kept: _Map = share * share * (3 - 2 * share)
    return kept


def follow_back(pictures: Sequence[Small], stations: Sequence[int]) -> dict[int, Way]:
    """From each station but the last, the way to the next one.

    Args:
        pictures: of a shot, in order, ``(h, w)`` uint8.
        stations: numbers of pictures, rising.

    Returns:
        For each station, where in the next one its pixels are, and with what belief in [0, 1].
    """
    finder = FlowFinder(*pictures[0].shape)
    ways: dict[int, Way] = {}
    for first, last in zip(stations[-2::-1], stations[:0:-1], strict=True):
        tracker = Tracker(finder, pictures[last])
        for n in range(last - 1, first - 1, -1):
            picture, later = pictures[n], pictures[n + 1]
            way = tracker.step(picture, finder(picture, later), finder(later, picture))
        ways[first] = Way(way.places, belief(way, pictures[first], pictures[last]))
    return dict(sorted(ways.items()))


def chained(first: Way, then: Way) -> Way:
    """From a frame to a third one, by way of a second."""
    return Way(warp(then.places, first.places), first.trust * warp(then.trust, first.places))


def brought(said: Said, way: Way) -> Said:
    """What is said of a later frame, as said of the one that the way starts from."""
    height, width = said.weight.shape
    places = scaled(way.places, height, width)
    kept: Any = cv2.resize(believed(way.trust), (width, height), interpolation=cv2.INTER_LINEAR)
    return Said(warp(said.chroma, places), warp(said.weight, places) * kept, kept)
