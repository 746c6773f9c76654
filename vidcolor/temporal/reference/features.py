"""Parts of a picture found again in a frame taken from elsewhere: local features in groups of one geometry.

SIFT (Lowe 2004) with his ratio test; what is left after it is sorted into homographies, one group after
the other, and every group is looked at again by how edges agree once it is laid on the frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from .structure import Plane, unit_of

__all__ = ["Features", "Group", "features_of", "groups"]

_RATIO = 0.8
"""A match must be this much nearer than the next best (Lowe 2004, section 7.1)."""
_MOST_GROUPS = 4
_LEAST_MATCHES = 10
"""Matches in a group; by chance some six agree on a homography in pictures that have nothing in common."""
_REACH = 10.0
"""Units around its matches in which a group is believed."""
_MOST_FEATURES = 1200


class Features(NamedTuple):
    """Local features of one picture."""

    places: Plane
    """``(n, 2)``: x, y, in pixels."""
    descriptors: Plane
    """``(n, 128)``."""


class Group(NamedTuple):
    """A part of the frame that lies in the reference."""

    matrix: npt.NDArray[Any]
    """``(3, 3)``: from a place x, y, 1 in the frame to that in the reference, in their pixels."""
    part: Plane
    """``(h, w)`` in [0, 1]: where in the frame."""


def features_of(lightness: Plane) -> Features:
    """``lightness``: ``(h, w)`` float32 L. Small pictures are enlarged: features must be seen to be found."""
    low, high = np.percentile(lightness, (1, 99))
    scale = 2 if min(lightness.shape) < 400 else 1
    codes = np.clip((lightness - low) * (255 / max(high - low, 5)), 0, 255).astype(np.uint8)
    if scale > 1:
        codes = cv2.resize(codes, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    sift = cv2.SIFT.create(_MOST_FEATURES, contrastThreshold=0.03)
    points, descriptors = sift.detectAndCompute(codes, None)
    if descriptors is None:
        return Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    places = np.array([point.pt for point in points], np.float32)
    return Features((places + np.float32(0.5)) / np.float32(scale) - np.float32(0.5), descriptors)


def groups(reference: Features, frame: Features, shape: tuple[int, int]) -> Iterator[Group]:
    """Groups of the frame's features that lie in the reference as on one plane; ``shape``: the frame's."""
    there, here = _matches(reference, frame)
    unit = unit_of(shape)
    for _ in range(_MOST_GROUPS):
        if len(here) < _LEAST_MATCHES:
            return
        matrix, chosen = cv2.findHomography(
            here, there, cv2.RANSAC, 4 * unit, maxIters=2000, confidence=0.999
        )
        if matrix is None or chosen.sum() < _LEAST_MATCHES:
            return
        inside = chosen.ravel() > 0
        if _is_plausible(matrix, here[inside]):
            yield Group(matrix.astype(np.float32), _part(here[inside], shape))
        here, there = here[~inside], there[~inside]


def _matches(a: Features, b: Features) -> tuple[Plane, Plane]:
    if len(a.places) < 2 or len(b.places) < 2:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    # |x - y|² = |x|² + |y|² - 2xy; one product is faster than OpenCV's matcher and needs no lists.
    square = (
        (a.descriptors**2).sum(1)[:, None] + (b.descriptors**2).sum(1) - 2 * a.descriptors @ b.descriptors.T
    )
    best_a, best_b = square.argmin(0), square.argmin(1)
    here = np.arange(len(b.places))
    two = np.partition(square, 1, axis=0)[:2]
    good = (best_b[best_a] == here) & (two[0] < _RATIO**2 * two[1])
    return a.places[best_a[good]], b.places[good]


def _is_plausible(matrix: npt.NDArray[Any], places: Plane) -> bool:
    """Whether the matrix neither mirrors nor folds, nor stretches by more than two cameras would."""
    left, top = places.min(0)
    right, bottom = places.max(0)
    if right - left < 4 or bottom - top < 4:
        return False
    corners = np.array([[[left, top], [right, top], [right, bottom], [left, bottom]]], np.float32)
    moved = cv2.perspectiveTransform(corners, matrix)[0]
    if not np.isfinite(moved).all() or not cv2.isContourConvex(moved):
        return False
    size = cv2.contourArea(moved, oriented=True) / cv2.contourArea(corners[0], oriented=True)
    return bool(0.1 < size < 10)


def _part(places: Plane, shape: tuple[int, int]) -> Plane:
    reach = _REACH * unit_of(shape)
    hull = cv2.convexHull(places).round().astype(np.int32)
    part = cv2.fillConvexPoly(np.zeros(shape, np.float32), hull, 1.0)
    size = 2 * round(reach) + 1
    part = cv2.dilate(part, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    return cv2.blur(part, (size // 2 | 1, size // 2 | 1))
