"""Making planes smaller, fast.

OpenCV's area interpolation is quick only when it halves both sides exactly; by any other factor it
is many times slower than halving and a bilinear step.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy.typing as npt

__all__ = ["averaged", "even_sided", "shrink"]

Image = npt.NDArray[Any]


def even_sided(plane: Image, *, rows: bool = True, columns: bool = True) -> Image:
    """The plane with its last row and column repeated where their number is odd."""
    bottom, right = plane.shape[0] % 2 * rows, plane.shape[1] % 2 * columns
    if not bottom and not right:
        return plane
    return cv2.copyMakeBorder(plane, 0, bottom, 0, right, cv2.BORDER_REPLICATE)


def shrink(plane: Image, height: int, width: int) -> Image:
    """A plane ``(H, W)`` at another size: halved while that is at least twice too large, then bilinear.

    Every sample of the source counts, about equally. Enlarges too, bilinearly.
    """
    while plane.shape[0] >= 2 * height and plane.shape[1] >= 2 * width:
        plane = even_sided(plane)
        plane = cv2.resize(plane, (plane.shape[1] // 2, plane.shape[0] // 2), interpolation=cv2.INTER_AREA)
    if plane.shape[:2] == (height, width):
        return plane
    lopsided = plane.shape[0] >= 2 * height or plane.shape[1] >= 2 * width
    return cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA if lopsided else cv2.INTER_LINEAR)


def averaged(planes: Image, height: int, width: int) -> Image:
    """Planes ``(H, W[, C])`` at a smaller size: each sample is the mean of just the area it covers.

    Slower than :func:`shrink`; for small pictures.
    """
    return cv2.resize(planes, (width, height), interpolation=cv2.INTER_AREA)
