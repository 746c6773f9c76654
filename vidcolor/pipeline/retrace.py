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
from vidcolor.temporal.track import Small, Tracker, Way, straight

__all__ = ["alike", "believed", "brought", "chained", "follow_back", "found_again"]

_Map = npt.NDArray[np.float32]

_DOUBT, _SURE = 0.02, 0.15
"""Belief up to which nothing is taken of what was said, and from which on all of it is: a colour that was
said must not pale on its way."""
_UNLIKE = 16.0
"""Difference of luma, in codes, at which a pixel is probably of another thing than what was said of. More
than where colours are blended: in a fold, or a pixel beside its place, a thing still has its colour."""

_AROUND = 7
"""Pixels, at the size of motion, that must be alike about one that is found without being followed, ..."""
_FOUND, _LOST = 0.5, 0.1
"""... at least so much, where what was followed is less."""


def believed(belief: _Map) -> _Map:
    """How far something said is kept where what brought it is believed so far; ``(h, w)`` in [0, 1]."""
    share = ((belief - np.float32(_DOUBT)) / np.float32(_SURE - _DOUBT)).clip(0, 1)
    kept: _Map = share * share * (3 - 2 * share)
    return kept


def alike(way: Way, picture: Small, other: Small) -> _Map:
    """Trust in a way and in that it leads to the same thing, ``(H, W)`` in [0, 1]; pictures of any one size.

    Pixels unlike their places count only together: single ones are creases and grain.
    """
    there = warp(other, scaled(way.places, *picture.shape))
    off = cv2.medianBlur(cv2.absdiff(there, picture), 3).astype(np.float32) / np.float32(_UNLIKE)
    trust: Any = cv2.resize(way.trust, picture.shape[::-1], interpolation=cv2.INTER_LINEAR)
    found: _Map = trust * np.exp(-off * off)
    return found


def found_again(finder: FlowFinder, way: Way, picture: Small, other: Small) -> Way:
    """A way, and where it was lost what looking straight from one picture into the other finds: something may
    have passed before what stands still.

    ``finder``: of the pictures' size. What is found must be alike all around.
    """
    direct = straight(finder, picture, other)
    sure = cv2.erode(alike(direct, picture, other), np.ones((_AROUND, _AROUND), np.uint8))
    again = (sure > _FOUND) & (alike(way, picture, other) < _LOST)
    places = np.where(again[..., None], direct.places, way.places)
    return Way(places, np.where(again, direct.trust, way.trust))


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
        if last - first > 1:
            way = found_again(finder, way, pictures[first], pictures[last])
        ways[first] = Way(way.places, alike(way, pictures[first], pictures[last]))
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
