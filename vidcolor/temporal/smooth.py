"""Taking out of carried colour what changes from frame to frame without the picture changing.

Works along motion, at the small size that motion is known at, from each frame to the next: colour is drawn
towards what it was where the pixel came from, as far as it surely came from there, and as long as the two are
nearly the same; what really changes colour is left alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vidcolor.motion import Flow, square, warp, weighed

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
        self._chroma: npt.NDArray[np.float32] | None = None

    def start(self, chroma: npt.NDArray[np.float32]) -> None:
        """An anchor, which stays as it is: chroma ``(h, w, 2)`` in 8-bit codes."""
        self._chroma = chroma

    def step(
        self, places: Flow, steady: npt.NDArray[np.float32], chroma: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """The next frame.

        Args:
            places: where each of its pixels was in the frame before, ``(h, w, 2)``: x and y.
            steady: how sure each of its pixels came from there, ``(h, w)`` in [0, 1].
            chroma: ``(h, w, 2)`` in 8-bit codes.

        Returns:
            ``(h, w, 2)``: the smoothed chroma.
        """
        assert self._chroma is not None
        change = warp(self._chroma, places) - chroma
        little = np.exp(-square(change / np.float32(_CHANGE)))
        smoothed: npt.NDArray[np.float32] = chroma + weighed(change, self._kept * steady * little)
        self._chroma = smoothed
        return smoothed
