"""The black borders of a film: letterbox above and below, pillarbox left and right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vidcolor.frames import Plane

__all__ = ["NO_BORDERS", "Borders", "find_borders"]

_LEAST_FRAMES = 3
"""Frames, bright enough to show borders, below which nothing is said."""
_BRIGHT = 40.0
"""Luma (8-bit code) that the middle of such a frame has on average at least."""
_BLACK_MEAN, _BLACK_MOST = 24.0, 40.0
"""Luma below which a row is black: its mean, and (nearly) its brightest sample. Limited range's black is
16, and codecs leave some noise."""
_SHARE_LEFT = 0.4
"""Share of a side that must remain; less is no border but a dark picture."""
_SOFT = 2
"""Samples cut off beside a border, where it runs into the picture."""


class Borders(NamedTuple):
    """Rows and columns to cut off the stored picture."""

    top: int
    bottom: int
    left: int
    right: int


NO_BORDERS = Borders(0, 0, 0, 0)


def find_borders(planes: Sequence[Plane], bit_depth: int) -> Borders:
    """Borders that all bright enough frames of a film have in common.

    ``planes``: luma ``(H, W)`` of frames from all over the film. A row or column counts as border where it is
    black in all of them, so titles on black or a night do no harm as long as some frames are not.
    """
    unit = 2.0 ** (bit_depth - 8)
    bright = [plane for plane in planes if _middle(plane) >= _BRIGHT * unit]
    if len(bright) < _LEAST_FRAMES:
        return NO_BORDERS
    rows = np.all([_black_lines(plane, unit) for plane in bright], axis=0)
    top, bottom = _ends(rows)
    inside = [plane[top : plane.shape[0] - bottom] for plane in bright]
    columns = np.all([_black_lines(plane.T, unit) for plane in inside], axis=0)
    return Borders(top, bottom, *_ends(columns))


def _middle(plane: Plane) -> float:
    height, width = plane.shape
    return float(plane[height // 4 : -(height // 4) or None, width // 4 : -(width // 4) or None].mean())


def _black_lines(plane: Plane, unit: float) -> npt.NDArray[np.bool_]:
    """Which rows are black, ``(H,)``."""
    # The brightest hundredth may be anything: a spot in the border, or what leaks at its end.
    allowed = max(plane.shape[1] // 100, 1)
    most = np.partition(plane, -allowed - 1, axis=1)[:, -allowed - 1] if plane.shape[1] > 1 else plane[:, 0]
    return (plane.mean(axis=1) < _BLACK_MEAN * unit) & (most < _BLACK_MOST * unit)


def _ends(black: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Lengths of the black runs at both ends, widened by the soft edge; 0 where too little would be left."""
    seen = np.flatnonzero(~black)
    if not len(seen) or seen[-1] - seen[0] + 1 < _SHARE_LEFT * len(black):
        return 0, 0
    first, last = int(seen[0]), len(black) - 1 - int(seen[-1])
    return first + _SOFT * (first > 0), last + _SOFT * (last > 0)
