"""Following an anchor's picture from frame to frame.

Flow is chained from each frame to the next, and what the chain says is then looked for again in the anchor
itself: errors of single steps would add up otherwise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.motion import Flow, FlowFinder, follow, grid, square, warp, weighed

__all__ = ["PHOTOMETRIC", "Small", "Tracker", "Way", "seen_share"]

Small = npt.NDArray[np.uint8]
"""Luma at the size motion is looked for at, ``(h, w)``."""

PHOTOMETRIC = 12.0
"""Difference of luma, in codes, at which a pixel is probably not the anchor's."""
_FORGIVEN = 1e-3
"""Trust never falls below this: what was lost may be found again in the anchor."""
_LARGEST_STEP = 2.0
"""Pixels by which looking again may move a pixel."""
_BETTER = 0.9
_WINDOW = (9, 9)


class Way(NamedTuple):
    """From a frame to its anchor."""

    places: Flow
    """Where in the anchor each pixel of the frame is, ``(h, w, 2)``: x and y in pixels, inside it."""
    trust: npt.NDArray[np.float32]
    """Whether it was followed there and back, ``(h, w)`` in [0, 1]."""


class Tracker:
    """Follows one anchor; frames come one after the other, forwards or backwards in time."""

    def __init__(self, finder: FlowFinder, anchor: Small) -> None:
        self._finder, self._anchor = finder, anchor
        self._way = Way(grid(*anchor.shape), np.ones(anchor.shape, np.float32))

    def step(self, picture: Small, back: Flow, forth: Flow) -> Way:
        """Takes the next frame; ``back`` leads from it to the one before, ``forth`` from there to it."""
        before = self._way
        at = follow(back)
        disagreement = square(back + warp(forth, at))
        trust = warp(before.trust, at, outside=0.0)
        trust *= np.exp(-disagreement)
        np.maximum(trust, _FORGIVEN, out=trust)
        self._way = Way(self._looked_again(picture, _inside(warp(before.places, at))), trust)
        return self._way

    def _looked_again(self, picture: Small, places: Flow) -> Flow:
        """The places, moved to where the anchor looks more like the picture, if that is close by."""
        home = grid(*picture.shape)
        found = _inside(follow(self._finder.refined(picture, self._anchor, places - home)))
        before, after = (self._difference(picture, p) for p in (places, found))
        better = (after < _BETTER * before) & (square(found - places) < _LARGEST_STEP**2)
        share: Any = cv2.blur(better.astype(np.float32), (3, 3))
        moved: Flow = places + weighed(found - places, share)
        return moved

    def _difference(self, picture: Small, places: Flow) -> npt.NDArray[np.float32]:
        """How unlike the anchor a picture is around each pixel, in codes."""
        difference = cv2.absdiff(warp(self._anchor, places), picture)
        return cv2.blur(difference.astype(np.float32), _WINDOW)  # type: ignore[return-value]


def _inside(places: Flow) -> Flow:
    """The nearest places in the picture."""
    height, width = places.shape[:2]
    np.clip(places[..., 0], 0, width - 1, out=places[..., 0])
    np.clip(places[..., 1], 0, height - 1, out=places[..., 1])
    return places


def seen_share(way: Way, picture: Small, anchor: Small) -> float:
    """How much of a frame is in its anchor, in [0, 1]."""
    difference = cv2.absdiff(warp(anchor, way.places), picture)
    seen = cv2.blur((way.trust > 0.1).astype(np.float32) * (difference < 2 * PHOTOMETRIC), (5, 5))
    return float((seen > 0.5).mean())
