"""What stands still before a fixed camera: a running picture of it, and what of a frame differs from it.

The picture is the median of nine, each the mean of four frames in a row; they lie close together at first
and reach over some 150 frames later. What covers a place for less than half of that leaves no trace, and of
noise a seventh is left. Memory does not depend on the film's length.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from .structure import LEAST_NOISE, Plane, blur, fit_light, noise_of, ramp, unit_of

__all__ = ["Background", "shifted"]

Shift = tuple[float, float]
"""Pixels to the right and downwards by which a frame's picture lies from the background's."""

_FRAMES, _KEPT = 4, 9
"""Frames in a mean; means that the median is taken of."""
_LONGEST_GAP = 12
"""Frames between two means, once there are enough of them."""
_STILL = 0.08
"""Shifts of less are none, in pixels: moving a picture by so little costs it more than it gains."""
_STEPS = 6
_SOFT = 1.5
"""Deviation of the blur before a shift is looked for, in units."""
_FARTHEST = 6.0
"""Larger shifts are no swaying, in units."""
_BETTER = 0.85
"""What a shift must leave of the misfit of edges."""
_DIFFERS = 1.2
"""Difference that is no matter, in L; thrice what a blur leaves of the noise is added."""
_ANOTHER, _ALSO = 12, 4
"""Differences, in L, at which something is surely not, surely as before; for fitting the light."""


class _Edges(NamedTuple):
    """The places of a picture that show a shift."""

    where: tuple[npt.NDArray[np.intp], ...]
    soft: Plane
    """The blurred picture there, ``(n,)``."""
    slopes: Plane
    """``(2, n)``: what it changes by with a shift of one pixel in x, in y."""
    everywhere: Plane
    """``(2, m)``: the blurred picture at places all over it, and ones."""


class Background:
    """Feed frames in order; all have one size."""

    def __init__(self) -> None:
        self.version = 0
        """Grows whenever the picture is another."""
        self.means_made = 0
        """How many means there have been."""
        self._means: list[Plane] = []
        self._unrests: list[Plane] = []
        """Mean change from frame to frame in each of the means."""
        self._frames: list[Plane] = []
        """The frames of the next mean."""
        self._gap = self._wait = 0
        self._picture: Plane | None = None
        self._noise: Plane | None = None
        self._usual_noise: float | None = None
        self._edges: _Edges | None = None

    @property
    def picture(self) -> Plane:
        """What stands still, ``(h, w)`` float32 L. There must have been a frame."""
        if self._picture is None:
            if self._means:
                self._picture = _median(self._means)
            else:
                self._picture = _mean(self._frames)
        return self._picture

    @property
    def noise(self) -> Plane:
        """Deviation of a frame's noise, also that of leaves in the wind, ``(h, w)`` in L."""
        if self._noise is None:
            picture = self.picture
            if self._unrests:
                found = blur(_median(self._unrests), 2 * unit_of(picture.shape))
                # The mean of |x - y| of two normal values is 2/sqrt(pi) deviations.
                found = found * np.float32(np.sqrt(np.pi) / 2)
            else:
                found = np.full(picture.shape, noise_of(picture), np.float32)
            self._noise = np.maximum(found, np.float32(LEAST_NOISE))
        return self._noise

    @property
    def usual_noise(self) -> float:
        """The median of :attr:`noise`."""
        if self._usual_noise is None:
            self._usual_noise = float(np.median(self.noise))
        return self._usual_noise

    @property
    def noise_left(self) -> float:
        """Deviation of the noise in :attr:`picture`, in L."""
        frames = _FRAMES * len(self._means) if self._means else max(len(self._frames), 1)
        # A median of many values has pi/2 times the variance of their mean.
        return self.usual_noise * (1.25 if self._means else 1.0) / float(np.sqrt(frames))

    def feed(self, lightness: Plane) -> None:
        """The next frame, ``(h, w)`` float32 L in [0, 100]."""
        if self._wait > 0:
            self._wait -= 1
            return
        if self._means or self._frames:
            shift = self.shift_of(lightness)
            lightness = shifted(lightness, (-shift[0], -shift[1]))
        self._frames.append(lightness)
        full = len(self._frames) == _FRAMES
        if full:
            self._keep()
        if full or not self._means:
            self._picture = self._noise = self._usual_noise = self._edges = None
            self.version += 1

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """What is known, in two planes and four counts, for :meth:`restore`; empty before the first mean."""
        if not self._means:
            return {}
        counts = [self.means_made, len(self._means), self._gap, self._wait]
        return {
            "picture": self.picture,
            "unrest": _median(self._unrests),
            "counts": np.array(counts, np.int64),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Goes on from what :meth:`state` gave: its picture stays until most means are new."""
        self.means_made, count, self._gap, self._wait = map(int, state["counts"])
        self._means, self._unrests = [state["picture"]] * count, [state["unrest"]] * count
        self._frames = []
        self._picture = self._noise = self._usual_noise = self._edges = None
        self.version += 1

    def _keep(self) -> None:
        """Makes a mean of the frames."""
        self.means_made += 1
        self._means.append(_mean(self._frames))
        changes = [np.abs(b - a) for a, b in pairwise(self._frames)]
        self._unrests.append(_mean(changes))
        self._frames = []
        if len(self._means) > _KEPT:
            del self._means[0], self._unrests[0]
            # Nine side by side tell little of what passes slowly.
            self._gap = min(_LONGEST_GAP, self._gap + 2)
        self._wait = self._gap

    def shift_of(self, lightness: Plane) -> Shift:
        """How far a frame has swayed from the background, at the most a few pixels.

        Gauss-Newton (Lucas and Kanade 1981) for a shift, a gain and an offset, on the edges of blurred
        pictures; what fits badly counts little. It must make most edges fit clearly better: what moves
        before a camera that stands still moves only some.
        """
        unit = unit_of(lightness.shape)
        if min(lightness.shape) < 32:
            return 0.0, 0.0
        edges = self._edges_of_picture()
        if len(edges.soft) < 50:
            return 0.0, 0.0
        frame = blur(lightness, _SOFT * unit)
        # The light is fitted everywhere: on edges alone, a shift would look like less contrast.
        light, _ = _robust_fit(edges.everywhere, frame[3:-3:5, 3:-3:5].ravel())
        expected = np.float32(light[0]) * edges.soft + np.float32(light[1])
        slopes = np.float32(light[0]) * edges.slopes
        rows, columns = (place.astype(np.float32) for place in edges.where)
        still = now = frame[edges.where] - expected
        x, y = 0.0, 0.0
        for _ in range(_STEPS):
            step, usual = _robust_fit(slopes, now, 3)
            x, y = x + step[0], y + step[1]
            if max(abs(x), abs(y)) > _FARTHEST * unit:
                return 0.0, 0.0
            moved = cv2.remap(frame, columns + np.float32(x), rows + np.float32(y), cv2.INTER_LINEAR)
            now = moved.ravel() - expected
            if abs(step[0]) + abs(step[1]) < 0.05:
                break
        if max(abs(x), abs(y)) < _STILL:
            return 0.0, 0.0
        most = np.float32(4 * usual + 0.3)
        misfits = [float(np.minimum(np.abs(left), most).mean()) for left in (now, still)]
        return (x, y) if misfits[0] < _BETTER * misfits[1] else (0.0, 0.0)

    def _edges_of_picture(self) -> _Edges:
        if self._edges is None:
            soft = blur(self.picture, _SOFT * unit_of(self.picture.shape))
            gx, gy = (cv2.Sobel(soft, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (1, 0))
            inside = np.zeros(soft.shape, bool)
            inside[3:-3, 3:-3] = True
            steep = abs(gx) > abs(gy)
            # As many for either direction, or the commoner would outvote the other.
            sides = [
                np.flatnonzero(inside & side & (slope * slope > 2 * np.mean(slope * slope)))
                for side, slope in ((steep, gx), (~steep, gy))
            ]
            chosen = np.concatenate([side[:: 1 + len(side) // 1000] for side in sides])
            where = np.unravel_index(chosen, soft.shape)
            some = soft[3:-3:5, 3:-3:5].ravel()
            self._edges = _Edges(
                where, soft[where], -np.stack((gx[where], gy[where])), np.stack((some, np.ones_like(some)))
            )
        return self._edges

    def standing(self, lightness: Plane) -> Plane:
        """What of a frame stands still, ``(h, w)`` in [0, 1]; 0 where something moves or has changed.

        ``lightness`` lies on the background. The light may have changed smoothly.
        """
        unit = unit_of(lightness.shape)
        picture = self.picture
        left = lightness - picture
        left -= np.float32(np.median(left[::3, ::3]))
        weight = ramp(np.abs(blur(left, unit)), _ANOTHER, _ALSO)
        left = np.abs(blur(lightness - fit_light(picture, lightness, weight, rounds=2).lit, unit))
        # A Gaussian of deviation s leaves 1 / (2 s sqrt(pi)) of noise's deviation.
        usual = self.noise * np.float32(3 * 0.28) + np.float32(_DIFFERS)
        moves = ramp(left / usual, 1, 2)
        # Its border is half something else's, and it may be as bright inside as what it covers.
        size = 2 * round(2 * unit) + 1
        moves = cv2.dilate(moves, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
        return 1 - cv2.blur(moves, (3, 3))


def shifted(picture: Plane, shift: Shift) -> Plane:
    """``(h, w[, c])`` moved to the right and downwards by ``shift`` pixels."""
    if shift == (0.0, 0.0):
        return picture
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    out: Plane = cv2.warpAffine(
        picture, matrix, picture.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return out


def _robust_fit(columns: Plane, values: Plane, rounds: int = 4) -> tuple[npt.NDArray[Any], float]:
    """Coefficients of ``columns`` ``(k, n)`` that give ``values`` ``(n,)``, with Cauchy's weights from the
    second round on, and the median of what they leave."""
    weighted = columns
    for _ in range(rounds):
        normal = (weighted @ columns.T).astype(np.float64)
        normal.flat[:: len(normal) + 1] += 1e-3
        found = np.linalg.solve(normal, (weighted @ values).astype(np.float64))
        left = np.abs(values - found.astype(np.float32) @ columns)
        middle = float(np.median(left))
        weighted = columns / (1 + (left / np.float32(0.3 + 1.5 * middle)) ** 2)
    return found, middle


def _mean(planes: list[Plane]) -> Plane:
    return np.asarray(np.mean(planes, axis=0, dtype=np.float32))


def _median(planes: list[Plane]) -> Plane:
    """The median of up to nine planes, by bubbles: OpenCV's min and max are ten times as fast as sorting."""
    values = list(planes)
    count = len(values)
    for end in range(count - 1, (count - 1) // 2 - 1, -1):
        for n in range(end):
            low, high = cv2.min(values[n], values[n + 1]), cv2.max(values[n], values[n + 1])
            values[n], values[n + 1] = low, high
    middle = count // 2
    return values[middle] if count % 2 else (values[middle - 1] + values[middle]) / 2
