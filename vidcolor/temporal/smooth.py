"""Taking out of carried colour what changes from frame to frame without the picture changing.

Works along motion, at the small size that motion is known at, from each frame to the next: colour is drawn
towards what it was where the pixel came from, as far as it surely came from there, and as long as the two are
nearly the same; what really changes colour is left alone.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.motion import Flow, follow, square, warp, weighed
from vidcolor.temporal.track import PHOTOMETRIC, Small

__all__ = ["Smoother"]

_MEMORY = 0.9
"""Of the colour before, that full strength keeps."""
_CHANGE = 6.0
"""Difference of chroma, in 8-bit codes, from which on it is a change and no flicker."""


class Smoother:
    """One for a film; keeps one small picture of chroma."""

    def __init__(self, strength: float) -> None:
        """``strength``: in [0, 1]."""
        self._kept = np.float32(_MEMORY * strength)
        self._picture: Small | None = None
        self._chroma: npt.NDArray[np.float32] | None = None

    def start(self, picture: Small, chroma: npt.NDArray[np.float32]) -> None:
        """An anchor, which stays as it is: chroma ``(h, w, 2)`` in 8-bit codes."""
        self._picture, self._chroma = picture, chroma

    def step(
        self, picture: Small, back: Flow, forth: Flow, chroma: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """The next frame; flows as :class:`vidcolor.temporal.track.Tracker` takes them.

        Returns:
            ``(h, w, 2)``: the smoothed chroma.
        """
        assert self._picture is not None
        assert self._chroma is not None
        at = follow(back)
        off = cv2.absdiff(warp(self._picture, at), picture).astype(np.float32) / np.float32(PHOTOMETRIC)
        change = warp(self._chroma, at) - chroma
        distance = square(back + warp(forth, at)) + off * off + square(change / np.float32(_CHANGE))
        smoothed: npt.NDArray[np.float32] = chroma + weighed(change, self._kept * np.exp(-distance))
        self.start(picture, smoothed)
        return smoothed
