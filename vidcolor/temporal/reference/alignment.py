"""How a picture lies on a frame of the same place: found from edges, whatever the light.

First the shift, from the phases of both pictures' squared gradients; then affine, then projective, by the
enhanced correlation coefficient (Evangelidis and Psarakis 2008) of the edges' strength.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .structure import Plane, Structure, blur, compare, unit_of

__all__ = ["Placement", "place", "placed_at", "warp"]

Matrix = npt.NDArray[Any]

_LEAST_SIDE = 32
"""Smaller pictures have too few edges to be laid on each other: they are taken to fit as they are."""
_SAME_PLACE = np.eye(3, dtype=np.float32)
_HOPELESS = 0.06
"""Share below which nothing is refined."""
_MOTIONS = (cv2.MOTION_EUCLIDEAN, 0.01), (cv2.MOTION_AFFINE, 0.02), (cv2.MOTION_HOMOGRAPHY, 0.06)
"""Freedoms, and by how much each must raise the share."""
_LEAST_SHARE = 0.25
"""Share of what has structure that must agree, and ..."""
_ABOVE_CHANCE = 0.15
"""... by how much more than it does where the reference is laid wrongly."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a reference lies on a frame."""

    matrix: Matrix
    """``(3, 3)``: from a place x, y, 1 in the frame to that in the reference, in pixels of their one size."""
    share: float
    """How much of what has structure agrees, in [0, 1]."""
    shape: tuple[int, int]
    """Height and width of both."""
    chance: float = 0.0
    """The same where it is laid wrongly."""

    @property
    def holds(self) -> bool:
        """Whether both surely show the same place from the same point."""
        return self.share >= _LEAST_SHARE and self.share >= self.chance + _ABOVE_CHANCE


def warp(
    picture: Plane,
    matrix: Matrix,
    *,
    outside: float | None = None,
    shape: tuple[int, int] | None = None,
) -> Plane:
    """``picture`` ``(h, w[, c])`` laid on a frame of ``shape``, its own when None.

    ``outside``: what lies beyond its border, its edge repeated when None.
    """
    height, width = shape or picture.shape[:2]
    border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(
        picture, matrix, (width, height), flags=flags, borderMode=border, borderValue=outside or 0.0
    )


def place(
    reference: Plane, frame: Plane, noise: float | None = None, guesses: Sequence[Matrix] = (_SAME_PLACE,)
) -> Placement:
    """The best placement of ``reference`` on ``frame``, both ``(h, w)`` float32 L of one size.

    ``noise``: deviation of the frame's noise, measured when None. ``guesses``: matrices it may be near.
    """
    here = Structure.of(frame, noise)
    best = max((_judged(guess, reference, here) for guess in guesses), key=_share)
    if min(frame.shape) >= _LEAST_SIDE:
        starts = [
            guess @ shift
            for guess in guesses
            for shift in _shifts(Structure.of(warp(reference, guess)), here)
        ]
        best = max(best, *(_judged(matrix, reference, here) for matrix in starts), key=_share)
        if best.share < _HOPELESS:
            return best
        there = Structure.of(reference)
        # More freedom always fits a little better, to noise and to what was moved: it must be worth it.
        for motion, gain in _MOTIONS:
            found = _judged(_refined(best.matrix, there, here, motion), reference, here)
            if found.share > best.share + gain:
                best = found
    return replace(best, chance=_chance(best.matrix, reference, here))


def placed_at(matrix: Matrix, reference: Plane, frame: Plane, noise: float | None = None) -> Placement:
    """``matrix`` as a placement of ``reference`` on ``frame``, as for :func:`place`."""
    return _judged(matrix, reference, Structure.of(frame, noise))


def _share(placement: Placement) -> float:
    return placement.share


def _judged(matrix: Matrix, reference: Plane, here: Structure) -> Placement:
    there = Structure.of(warp(reference, matrix))
    height, width = reference.shape
    return Placement(matrix, compare(there, here).share, (height, width))


def _chance(matrix: Matrix, reference: Plane, here: Structure) -> float:
    """The greatest agreement where the reference is surely laid wrongly."""
    height, width = reference.shape
    there = warp(reference, matrix)
    moves = (height // 3, 0), (0, width // 3), (-height // 4, -width // 4), (height // 5, -width // 5)
    wrong = [np.roll(there, move, (0, 1)) for move in moves] + [there[::-1], there[:, ::-1]]
    return max(compare(Structure.of(np.ascontiguousarray(one)), here).share for one in wrong)


def _shifts(there: Structure, here: Structure) -> Iterator[Matrix]:
    """Shifts that the phases speak for, always at least one."""
    a, b = _evened(there), _evened(here)
    height, width = a.shape
    # A Hann window, against the cross that a picture's borders make in its spectrum.
    window = np.outer(np.hanning(height), np.hanning(width))
    spectrum = np.fft.fft2(a * window) * np.conj(np.fft.fft2(b * window))
    phases = np.fft.ifft2(spectrum / (np.abs(spectrum) + 1e-9)).real.astype(np.float32)
    peaks: Plane = cv2.GaussianBlur(np.tile(phases, (3, 3)), (0, 0), 1.0)
    peaks = peaks[height : 2 * height, width : 2 * width]
    yield _SAME_PLACE
    for _ in range(3):
        y, x = np.unravel_index(int(peaks.argmax()), peaks.shape)
        dy, dx = (int(y) + height // 2) % height - height // 2, (int(x) + width // 2) % width - width // 2
        if 3 * abs(dy) < height and 3 * abs(dx) < width:
            yield np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1]], np.float32)
        rows, columns = ((np.arange(-3, 4) + p) % n for p, n in ((y, height), (x, width)))
        peaks[np.ix_(rows, columns)] = 0


def _evened(structure: Structure) -> npt.NDArray[Any]:
    """The field with its strong edges held down, as complex numbers."""
    unit = unit_of(structure.variance.shape)
    usual = np.sqrt(blur(structure.variance, 8 * unit) + np.float32(structure.noise))
    return structure.field[0] / usual + 1j * structure.field[1] / usual


def _refined(matrix: Matrix, there: Structure, here: Structure, motion: int) -> Matrix:
    """A matrix near ``matrix`` at which the strengths of edges correlate best, else ``matrix``."""
    unit = unit_of(here.variance.shape)
    strengths = []
    for structure in (there, here):
        length = np.hypot(*structure.field)
        usual = np.sqrt(blur(structure.variance, 12 * unit) + np.float32(2 * structure.noise))
        strengths.append(blur(np.minimum(length / usual, 3), unit))
    start = matrix.copy() if motion == cv2.MOTION_HOMOGRAPHY else matrix[:2].copy()
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-5)
    everywhere = np.full(strengths[0].shape, 255, np.uint8)
    try:
        _, found = cv2.findTransformECC(strengths[1], strengths[0], start, motion, criteria, everywhere, 1)
    except cv2.error:
        return matrix  # it does not converge where there is nothing to hold on to
    if motion != cv2.MOTION_HOMOGRAPHY:
        found = np.vstack((found, [[0, 0, 1]])).astype(np.float32)
    return found if _is_near(found, matrix, here.variance.shape) else matrix


def _is_near(matrix: Matrix, start: Matrix, shape: tuple[int, ...]) -> bool:
    """Whether no corner of the frame has moved by more than a tenth of the picture."""
    height, width = shape[:2]
    corners = np.array([[[0, 0]], [[width, 0]], [[0, height]], [[width, height]]], np.float32)
    moved, before = cv2.perspectiveTransform(corners, matrix), cv2.perspectiveTransform(corners, start)
    return bool(np.isfinite(moved).all() and np.abs(moved - before).max() < max(min(height, width) / 10, 4))
