"""The part of a picture that a network is shown: without its black borders.

A network that has seen photographs takes a letterbox for part of the scene.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.frames import Plane
from vidcolor.models.base import fitting_side
from vidcolor.temporal.borders import borders_of

__all__ = ["Window", "window_in"]

_BEYOND = 2
"""Squares of the network's grain by which colour goes on into a border, which may be soft."""


class Window(NamedTuple):
    """A part of a picture, on the grid of the whole at the network's size; all in pixels, as stored."""

    whole: tuple[int, int]
    """Height and width of the whole."""
    top: int
    left: int
    size: tuple[int, int]
    """Height and width of the part. Like its place, a multiple of the network's grain."""
    seen: tuple[int, int]
    """Height and width in which the network sees it."""

    def of(self, plane: Plane) -> Plane:
        """The part of a plane of the same picture, of any size."""
        down, across = (n / m for n, m in zip(plane.shape, self.whole, strict=True))
        top, bottom = round(self.top * down), round((self.top + self.size[0]) * down)
        left, right = round(self.left * across), round((self.left + self.size[1]) * across)
        return plane[top : max(bottom, 1), left : max(right, 1)]

    def back(self, ab: npt.NDArray[np.float32], grain: int) -> npt.NDArray[np.float32]:
        """ab of the whole, ``(2, H/grain, W/grain)``, of the part's, ``(2, h, w)``; none in the borders."""
        height, width = (side // grain for side in self.size)
        tall, wide = (side // grain for side in self.whole)
        top, left = self.top // grain, self.left // grain
        bottom, right = top + height, left + width
        larger = ab.shape[1] < height or ab.shape[2] < width
        how = cv2.INTER_LINEAR if larger else cv2.INTER_AREA
        room = (top, tall - bottom), (left, wide - right)
        whole = []
        for plane in ab:
            part = cv2.resize(plane, (width, height), interpolation=how)
            # First what is at the edge again, then nothing.
            near = [tuple(min(_BEYOND, side) for side in sides) for sides in room]
            far = [tuple(max(side - _BEYOND, 0) for side in sides) for sides in room]
            whole.append(np.pad(np.pad(part, near, mode="edge"), far))
        return np.stack(whole)


def window_in(
    lightness: npt.NDArray[np.float32], short_side: float, multiple: int, grain: int, longest: float
) -> Window | None:
    """The part of a picture between its borders; None: it has none.

    Args:
        lightness: the whole at the network's size, ``(H, W)`` in [0, 100].
        short_side: of the part as it will be seen, about, in pixels.
        multiple, grain: of the network.
        longest: the most that its long side is to its short one.
    """
    borders = borders_of(lightness)
    if not any(borders):
        return None
    tall, wide = lightness.shape
    top, left = (-(-side // grain) * grain for side in (borders.top, borders.left))
    bottom, right = (
        (side - cut) // grain * grain for side, cut in ((tall, borders.bottom), (wide, borders.right))
    )
    size = bottom - top, right - left
    if min(size) < grain:
        return None
    scale = short_side / min(size)
    seen = tuple(fitting_side(min(side * scale, longest * short_side), multiple) for side in size)
    return Window((tall, wide), top, left, size, (seen[0], seen[1]))
