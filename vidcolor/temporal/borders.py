"""The black borders of a film: letterbox above and below, pillarbox left and right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vidcolor.frames import Plane

__all__ = ["NO_BORDERS", "Borders", "borders_of", "find_borders"]

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
_BLACK_L_MEAN, _BLACK_L_MOST = 2.5, 10.0
"""As the two above, in lightness: codes of 24 and 40 in limited range."""
_PICTURE_L = 5.0
"""Lightness that at least half of a row beside a border has: dark pictures run into black, borders end."""
_THIN = 0.03
"""Share of a side below which borders do not matter."""


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
    black = _BLACK_MEAN * unit, _BLACK_MOST * unit
    rows = np.all([_black_lines(plane, *black) for plane in bright], axis=0)
    top, bottom = _ends(rows)
    inside = [plane[top : plane.shape[0] - bottom] for plane in bright]
    columns = np.all([_black_lines(plane.T, *black) for plane in inside], axis=0)
    return Borders(top, bottom, *_ends(columns))


def borders_of(lightness: npt.NDArray[np.float32]) -> Borders:
    """Borders of a single picture, by its lightness ``(H, W)`` in [0, 100].

    One frame says less than a film: here they are on both sides or none, and end where the picture begins all
    at once, as no night and no title on black does.
    """
    top, bottom = _ends_in_picture(lightness)
    inside = lightness[top : lightness.shape[0] - bottom]
    return Borders(top, bottom, *_ends_in_picture(inside.T))


def _ends_in_picture(lightness: npt.NDArray[np.float32]) -> tuple[int, int]:
    """As :func:`_ends` of the rows; 0 where they are none that a single picture may have."""
    first, last = _ends(_black_lines(lightness, _BLACK_L_MEAN, _BLACK_L_MOST))
    if min(first, last) < _THIN * len(lightness):
        return 0, 0
    beside = lightness[[first, len(lightness) - 1 - last]]
    shown = (beside > _PICTURE_L).mean(axis=1) >= 0.5
    return (first, last) if shown.all() else (0, 0)


def _middle(plane: Plane) -> float:
    height, width = plane.shape
    return float(plane[height // 4 : -(height // 4) or None, width // 4 : -(width // 4) or None].mean())


def _black_lines(plane: Plane, mean: float, most: float) -> npt.NDArray[np.bool_]:
    """Which rows are darker than that on average and at (nearly) their brightest, ``(H,)``."""
    # The brightest hundredth may be anything: a spot in the border, or what leaks at its end.
    allowed = max(plane.shape[1] // 100, 1)
    high = np.partition(plane, -allowed - 1, axis=1)[:, -allowed - 1] if plane.shape[1] > 1 else plane[:, 0]
    black: npt.NDArray[np.bool_] = (plane.mean(axis=1) < mean) & (high < most)
    return black


def _ends(black: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Lengths of the black runs at both ends, widened by the soft edge; 0 where too little would be left."""
    seen = np.flatnonzero(~black)
    if not len(seen) or seen[-1] - seen[0] + 1 < _SHARE_LEFT * len(black):
        return 0, 0
    first, last = int(seen[0]), len(black) - 1 - int(seen[-1])
    return first + _SOFT * (first > 0), last + _SOFT * (last > 0)
