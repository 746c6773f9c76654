"""Following an anchor's picture from frame to frame.

Flow is chained from each frame to the next, and what the chain says is then looked for again in the anchor
itself: errors of single steps would add up otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.motion import Flow, FlowFinder, follow, grid, scaled, warp

__all__ = ["LOST", "PHOTOMETRIC", "Small", "Tracker", "Way", "belief", "seen_share", "straight"]

Small = npt.NDArray[np.uint8]
"""Luma at the size motion is looked for at, ``(h, w)``."""
_Map: TypeAlias = npt.NDArray[Any]
"""``(h, w)`` float32; OpenCV's stubs know no element types."""

PHOTOMETRIC = 12.0
"""Difference of luma, in codes, at which a pixel is probably not the anchor's."""
_MISSED, _MISSED_SHARE = 0.6, 0.04
"""Squared pixels, and that share of the squared motion, by which a pixel may miss itself there and back."""
_FORGIVEN = 1e-3
"""Trust never falls below this, nor does one step's: what was lost may be found again in the anchor."""
LOST = 1e-16
"""What is left at least where everything was lost again and again."""
_LARGEST_STEP = 2.0
"""Pixels by which looking again may move a pixel."""
_BETTER = 0.9
_WINDOW = (5, 5)
_COLLAPSE = 0.5
"""Share that is left of a frame's likeness to the one before where there may be a flash."""
_PATIENCE = 6
"""Frames that the picture before it is looked for in."""


class Way(NamedTuple):
    """From a frame to its anchor."""

    places: Flow
    """Where in the anchor each pixel of the frame is, ``(h, w, 2)``: x and y in pixels, inside it."""
    trust: npt.NDArray[np.float32]
    """Whether it was followed there and back, ``(h, w)`` in [0, 1]."""
    traced: npt.NDArray[np.float32] | None = None
    """The same, not forgiven: what was lost once is told from what was lost many times. None: not followed
    frame by frame."""


class _Last(NamedTuple):
    """What is known of a frame."""

    picture: Small
    state: _Map
    """``(h, w, 4)``: the way's x and y, its trace, luma."""
    likeness: float
    """How much of it is the frame before, in [0, 1]."""


class Tracker:
    """Follows one anchor; frames come one after the other, forwards or backwards in time.

    Where a frame is suddenly nothing like the one before, that one stays in mind, and those that come are
    looked for in it too: a flash parts nothing.
    """

    def __init__(self, finder: FlowFinder, anchor: Small) -> None:
        self._finder = finder
        self._home = cv2.split(grid(*anchor.shape))
        self._anchor, self._luma = anchor, anchor.astype(np.float32)
        # Planes of one kind go through OpenCV several times as fast as pairs do, and four at once as one.
        self._last = _Last(anchor, cv2.merge((*self._home, np.ones_like(self._luma), self._luma)), 1)
        self._minded: _Last | None = None
        """The frame before what may be a flash."""
        self._patience = 0
        self._steady: _Map = np.ones_like(self._luma)

    @property
    def steady(self) -> npt.NDArray[np.float32]:
        """How sure each pixel of the last frame came from the frame before, ``(h, w)`` in [0, 1]."""
        return self._steady

    @property
    def doubtful(self) -> bool:
        """Whether the last frame may be a flash, or something passing before all of the picture."""
        return self._minded is not None

    def step(self, picture: Small, back: Flow, forth: Flow) -> Way:
        """Takes the next frame; ``back`` leads from it to the one before, ``forth`` from there to it."""
        luma = picture.astype(np.float32)
        x, y, traced, self._steady = self._followed(self._last, luma, back, forth)
        likeness = float(self._steady.mean())
        if self._minded is not None:
            known, flows = self._minded, self._both_ways(picture, self._minded.picture)
            *way, steady = self._followed(known, luma, *flows)
            self._patience -= 1
            if found := steady.mean() > _COLLAPSE * known.likeness:
                x, y, traced = way
            if found or not self._patience:
                self._minded = None
        elif likeness < _COLLAPSE * self._last.likeness:
            self._minded, self._patience = self._last, _PATIENCE
        x, y, inside = self._looked_again(picture, luma, x, y)
        traced *= np.maximum(inside, _FORGIVEN)
        np.maximum(traced, LOST, out=traced)
        self._last = _Last(picture, cv2.merge((x, y, traced, luma)), likeness)
        places: Any = cv2.merge((x, y))
        return Way(places, np.maximum(traced, _FORGIVEN), traced)

    def _followed(self, last: _Last, luma: _Map, back: Flow, forth: Flow) -> tuple[_Map, _Map, _Map, _Map]:
        """A frame's way by way of another one: x, y, trace, and how sure each pixel came from there."""
        at = follow(back)
        x, y, traced, before = _planes(warp(last.state, at))
        sure = np.exp(-_disagreement(back, forth, at))
        off = (before - luma) * np.float32(1 / PHOTOMETRIC)
        traced *= np.maximum(sure * _within(at), _FORGIVEN)
        return *self._inside(x, y), traced, sure * np.exp(-off * off)

    def _both_ways(self, picture: Small, other: Small) -> tuple[Flow, Flow]:
        return self._finder(picture, other), self._finder(other, picture)

    def _looked_again(self, picture: Small, luma: _Map, x: _Map, y: _Map) -> tuple[_Map, _Map, _Map]:
        """The places, moved to where the anchor looks more like the picture, if that is close by; and where
        what was found is in the anchor at all."""
        start: Any = cv2.merge((x - self._home[0], y - self._home[1]))
        found = follow(self._finder.refined(picture, self._anchor, start))
        inside = _within(found)
        to_x, to_y = self._inside(*cv2.split(found))
        off, off_there = (
            cv2.absdiff(cv2.remap(self._luma, *p, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), luma)
            for p in ((x, y), (to_x, to_y))
        )
        gain = cv2.blur(cv2.addWeighted(off, _BETTER, off_there, -1, 0), _WINDOW)
        to_x -= x
        to_y -= y
        better = (gain > 0) & (to_x * to_x + to_y * to_y < _LARGEST_STEP**2)
        share: Any = cv2.blur(better.astype(np.float32), (3, 3))
        return x + share * to_x, y + share * to_y, inside

    def _inside(self, x: _Map, y: _Map) -> tuple[_Map, _Map]:
        """The nearest places in the picture."""
        height, width = self._anchor.shape
        return np.clip(x, 0, width - 1, out=x), np.clip(y, 0, height - 1, out=y)


def straight(finder: FlowFinder, picture: Small, other: Small) -> Way:
    """From one picture to another, without frames between."""
    back, forth = finder(picture, other), finder(other, picture)
    at = follow(back)
    trust = np.exp(-_disagreement(back, forth, at)) * _within(at)
    height, width = picture.shape
    places: Any = np.clip(at, 0, np.array((width - 1, height - 1), np.float32))
    return Way(places, trust)


def _planes(picture: npt.NDArray[Any]) -> Sequence[_Map]:
    return cv2.split(picture)


def _disagreement(back: Flow, forth: Flow, at: Flow) -> _Map:
    """How far from home the way there and back leads, squared, ``(h, w)``; 1 where it is probably lost.

    As with Sundaram et al. (2010), eq. 5, what moves fast may miss by more: a share of its motion.
    """
    apart: Any = 0
    length: Any = 0
    for one, other in zip(_planes(back), _planes(forth), strict=True):
        length += one * one
        one += warp(other, at)
        one *= one
        apart += one
    length *= np.float32(_MISSED_SHARE)
    length += np.float32(_MISSED)
    apart /= length
    return apart


def _within(places: Flow) -> _Map:
    """1 where places are in the picture, 0 from a pixel outside on."""
    inside: Any = 1
    for place, last in zip(cv2.split(places), (places.shape[1] - 1, places.shape[0] - 1), strict=True):
        beyond = np.abs(place - np.float32(last / 2)) - np.float32(last / 2)
        inside = inside * (1 - beyond.clip(0, 1))
    return inside


def belief(way: Way, picture: Small, anchor: Small) -> npt.NDArray[np.float32]:
    """Trust in a way and in what it leads to, ``(H, W)`` in [0, 1], of pictures of any one size."""
    there = warp(anchor, scaled(way.places, *picture.shape)).astype(np.float32)
    off = (there - picture) * np.float32(1 / PHOTOMETRIC)
    trust: Any = cv2.resize(way.trust, picture.shape[::-1], interpolation=cv2.INTER_LINEAR)
    believed: npt.NDArray[np.float32] = trust * np.exp(-off * off)
    return believed


def seen_share(way: Way, picture: Small, anchor: Small) -> float:
    """How much of a frame is in its anchor, in [0, 1]."""
    difference = cv2.absdiff(warp(anchor, way.places), picture)
    seen = cv2.blur((way.trust > 0.1).astype(np.float32) * (difference < 2 * PHOTOMETRIC), (3, 3))
    return float((seen > 0.5).mean())
