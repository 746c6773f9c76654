"""What a picture shows apart from how it is lit, and where two pictures of one size show the same.

Lit otherwise, a place keeps its edges; their strength changes, and at night even their sign: a sky that
was brighter than the roofs becomes darker than them. So edges are compared by their direction modulo half
a turn: with the gradient g = gx + i·gy, by g²/|g| (Bigün and Granlund 1987). Noise, which has no direction,
leaves the mean of that where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

__all__ = [
    "LEAST_NOISE",
    "Agreement",
    "Light",
    "Structure",
    "blur",
    "chroma_of_light",
    "compare",
    "fit_light",
    "noise_of",
    "ramp",
    "unit_of",
]

Plane = npt.NDArray[Any]
"""A plane ``(h, w)`` of a picture, or several ``(h, w, c)``: float32."""

_WINDOW = 3.5
"""Deviation of the Gaussian window in which structures are compared, in units (:func:`unit_of`)."""
_AROUND = 20.0
"""Deviation of the window that says how much weaker edges are here in one picture than in the other."""
LEAST_NOISE = 0.35
"""Deviation of noise that no picture is thought to be without, in L."""
_FAINT = 0.12
"""Edges' variance, as a share of the picture's mean, that tells nothing."""
_CONTRASTS = 0.6, 1.7
"""Limits of a tone curve's steepness."""
_LOCAL = 4.0
"""Light that differs from place to place is no tone curve: how much it takes away from what one says."""
_SAME, _OTHER = 0.55, 0.2
"""Correlations at which structures are surely the same, surely not."""


def unit_of(shape: tuple[int, ...]) -> float:
    """Lengths are given for pictures of 192 lines: the pixels that one of theirs is here, at least half."""
    return max(min(shape[:2]) / 192, 0.5)


def blur(plane: Plane, sigma: float) -> Plane:
    """Gaussian blur of ``(h, w[, c])``, c at most 4, by ``sigma`` pixels.

    A wide one goes by way of a smaller picture.
    """
    height, width = plane.shape[:2]
    step = int(sigma / 4)
    if step < 2 or min(height, width) < 4 * step:
        out: Plane = cv2.GaussianBlur(plane, (0, 0), max(sigma, 0.3), borderType=cv2.BORDER_REFLECT_101)
        return out
    small = cv2.resize(plane, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / step, borderType=cv2.BORDER_REFLECT_101)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def ramp(value: Plane, low: float, high: float) -> Plane:
    """0 up to ``low``, 1 from ``high``, straight between (``high`` may be the smaller one)."""
    return np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)


def noise_of(lightness: Plane) -> float:
    """Deviation of the noise of a picture, in its units.

    The median of |x| over Immerkær's (1996) difference of Laplacians, which edges hardly touch, and a
    median even less.
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    return float(1.4826 * np.median(np.abs(cv2.filter2D(lightness, -1, kernel))))


def _dot(a: tuple[Plane, Plane], b: tuple[Plane, Plane]) -> Plane:
    return a[0] * b[0] + a[1] * b[1]


@cache
def _slope_of_noise(sigma: float) -> float:
    """What noise of deviation 1 leaves in a component of the gradient."""
    point = np.zeros((65, 65), np.float32)
    point[32, 32] = 1
    return float(np.linalg.norm(_gradient(point, sigma)[0]))


def _gradient(lightness: Plane, sigma: float) -> tuple[Plane, Plane]:
    soft = blur(lightness, sigma)
    return (
        cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=1 / 8, borderType=cv2.BORDER_REFLECT_101),
        cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=1 / 8, borderType=cv2.BORDER_REFLECT_101),
    )


@dataclass(frozen=True, slots=True)
class Structure:
    """The edges of a picture ``(h, w)``; variances are those in a window, without noise's share."""

    field: tuple[Plane, Plane]
    """Real and imaginary part of g²/|g|, ``(h, w)`` each, in L a pixel."""
    mean: tuple[Plane, Plane]
    """Means of ``field`` in the window."""
    variance: Plane
    """Variance of ``field`` in the window, ``(h, w)``."""
    noise: float
    """What noise alone gives as variance; at least a share of the picture's mean, as what is fainter
    beside strong edges is what compression left."""

    @classmethod
    def of(cls, lightness: Plane, noise: float | None = None) -> Structure:
        """``lightness``: ``(h, w)`` float32 in [0, 100]; ``noise``: its deviation, measured when None."""
        unit = unit_of(lightness.shape)
        level = max(noise_of(lightness) if noise is None else noise, LEAST_NOISE)
        gx, gy = _gradient(lightness, unit)
        square = gx * gx + gy * gy
        length = np.sqrt(square) + np.float32(1e-6)
        field = (gx * gx - gy * gy) / length, 2 * gx * gy / length
        share = 2 * (level * _slope_of_noise(unit)) ** 2
        mean = blur(field[0], _WINDOW * unit), blur(field[1], _WINDOW * unit)
        spread = blur(square, _WINDOW * unit) - _dot(mean, mean)
        variance = np.maximum(spread - np.float32(share), 0)
        return cls(field, mean, variance, max(share, _FAINT * float(variance.mean())))


@dataclass(frozen=True, slots=True)
class Agreement:
    """Where two pictures ``(h, w)`` show the same."""

    same: Plane
    """How far the structures are the same, in [0, 1]."""
    evidence: Plane
    """How far there is any structure to tell by, in [0, 1]."""

    @property
    def share(self) -> float:
        """How much of what has structure is the same, in [0, 1]; 0 where nothing has any."""
        total = float(self.evidence.sum())
        return float((self.same * self.evidence).sum()) / max(total, 0.005 * self.evidence.size)


def compare(reference: Structure, frame: Structure) -> Agreement:
    """The frame against the reference, which lies on it and has as little noise as a picture by day."""
    unit = unit_of(frame.variance.shape)
    common = blur(_dot(reference.field, frame.field), _WINDOW * unit) - _dot(reference.mean, frame.mean)
    spread = (reference.variance + np.float32(reference.noise)) * (frame.variance + np.float32(frame.noise))
    # The weaker of both says how strong edges of the reference would be here in the frame's light.
    around = _AROUND * unit
    dimmed = blur(frame.variance, around) / (blur(reference.variance, around) + np.float32(1e-6))
    expected = np.maximum(frame.variance, np.minimum(dimmed, 1) * reference.variance)
    return Agreement(
        ramp(common / np.sqrt(spread), _OTHER, _SAME), ramp(expected / np.float32(frame.noise), 0.7, 3)
    )


class Light(NamedTuple):
    """A picture in another one's light, planes ``(h, w)``."""

    lit: Plane
    """Its L there."""
    contrast: Plane
    """By how much more its colours differ there than light alone makes them: a tone curve's steepness."""


def chroma_of_light(lightness: Plane) -> Plane:
    """What a and b of a surface are proportional to as it is lit more or less, for its L.

    In k times the light L + 16, a and b all grow by the cube root of k; below L = 8 by k, as L does (CIE
    15:2004 eq. 8.3-8.6).
    """
    lightness = np.maximum(lightness, np.float32(0.2))
    return np.minimum(lightness + np.float32(16), 3 * lightness)


def relit(lightness: Plane, factor: float) -> Plane:
    """L of what has each L, in ``factor`` times the light (CIE 15:2004 eq. 8.3-8.6)."""
    linear = 116 * np.cbrt(np.float32(27 / 24389) * lightness)
    root = np.float32(np.cbrt(factor)) * np.where(lightness > 8, lightness + np.float32(16), linear)
    return np.where(root > 24, root - 16, np.float32(24389 / 27) * (root / 116) ** 3)


def _more_light(reference: Plane, frame: Plane, weight: Plane) -> float:
    """How many times the reference's light the frame is in: the weighted median over the picture."""
    lights = [np.where(p > 8, ((p + 16) / 116) ** 3, p * (27 / 24389)) for p in (reference, frame)]
    ratios = ((np.maximum(lights[1], 0) + 1e-4) / (np.maximum(lights[0], 0) + 1e-4)).ravel()
    order = np.argsort(ratios, kind="stable")
    below = np.cumsum(weight.ravel()[order])
    return float(ratios[order[np.searchsorted(below, below[-1] / 2)]])


def fit_light(reference: Plane, frame: Plane, weight: Plane, rounds: int = 3) -> Light:
    """The reference ``(h, w)`` in the frame's light.

    So many times the light, and what that leaves: a tone curve for the whole picture,
    L' = c0 + c1·L + c2·L², and a smooth gain and offset, fitted in a wide window around each pixel. All over
    what ``weight`` ``(h, w)`` trusts; what does not fit is trusted less in each of the ``rounds`` (Cauchy's
    weights).
    """
    height, width = reference.shape
    unit = unit_of(reference.shape)
    # Light changes slowly: a sixth of the size tells as much of it.
    step = max(1, min(round(6 * unit), height // 8, width // 8))
    size = (-(-width // step), -(-height // step))
    # A mean and a bilinear step: by such factors INTER_AREA takes several times as long.
    x, y, trusted = (cv2.resize(cv2.blur(p, (step, step)), size) for p in (reference, frame, weight))
    trusted = np.maximum(trusted, np.float32(1e-3))
    # No curve bends where L does in the dark: without this, less light alone would seem to be one.
    factor = _more_light(x, y, trusted)
    x, reference = relit(x, factor), relit(reference, factor)
    window = _AROUND * unit / step
    fit = np.ones_like(trusted)
    for _ in range(rounds):
        w = trusted * fit
        curve = _tone_curve(x, y, w)
        toned = curve[0] + x * (curve[1] + x * curve[2])
        left = y - toned
        total, sx, sxx, sy, sxy = (
            blur(p, window) for p in (w, w * toned, w * toned * toned, w * left, w * left * toned)
        )
        # Where little is trusted, nothing is added to the curve.
        total = total + np.float32(0.02)
        mean, rest = sx / total, sy / total
        slope = (sxy / total - mean * rest) / (sxx / total - mean * mean + np.float32(16))
        offset = rest - slope * mean
        error = np.abs(left - offset - slope * toned)
        fit = 1 / (1 + (error / np.float32(1.5 + 1.5 * np.median(error))) ** 2)
    local = offset + slope * toned
    global_share = _variance(toned, w) / (_variance(toned, w) + _LOCAL * _variance(local, w) + 1e-6)
    toned = curve[0] + reference * (curve[1] + reference * curve[2])
    # A curve on R, G and B widens their differences as it widens small steps of L.
    steepness = (curve[1] + 2 * reference * curve[2]) * chroma_of_light(reference) / chroma_of_light(toned)
    contrast = 1 + np.float32(global_share) * (np.clip(steepness, *_CONTRASTS) - 1)
    bend, lift = (cv2.resize(p, (width, height), interpolation=cv2.INTER_LINEAR) for p in (slope, offset))
    return Light(toned + lift + bend * toned, contrast)


def _variance(plane: Plane, weight: Plane) -> float:
    total = float(weight.sum())
    mean = float((weight * plane).sum()) / total
    return float((weight * plane * plane).sum()) / total - mean * mean


def _tone_curve(x: Plane, y: Plane, weight: Plane) -> npt.NDArray[np.float32]:
    """c0, c1, c2 of y = c0 + c1·x + c2·x², held towards a straight line, and that towards a level one."""
    u, w = (x / 50 - 1).ravel().astype(np.float64), weight.ravel().astype(np.float64)
    columns = np.stack((np.ones_like(u), u, u * u))
    normal = (columns * w) @ columns.T / w.sum()
    found = np.linalg.solve(normal + np.diag([1e-9, 1e-4, 1e-3]), (columns * w) @ y.ravel() / w.sum())
    c0, c1, c2 = found
    return np.array([c0 - c1 + c2, (c1 - 2 * c2) / 50, c2 / 2500], np.float32)
