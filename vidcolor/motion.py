"""Optical flow between two pictures, and pictures moved along it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Flow", "FlowFinder", "follow", "grid", "scaled", "square", "warp", "weighed"]

_LARGE = 128
"""Pixels of the long side from which on all scales that OpenCV wants are there."""

Picture = npt.NDArray[np.uint8]
Flow = npt.NDArray[np.float32]
"""``(H, W, 2)``, in pixels: what is at (x, y) of one picture is at (x + u, y + v) of the other."""

_SMALLEST = 32
"""Pixels a side. OpenCV begins at a quarter of the size or less, with patches of 8 pixels: where they do not
fit, it writes nan, or reads outside of the picture."""

_PRESETS = {
    "light": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


class FlowFinder:
    """Dense inverse search, Kroeger et al. (2016), by OpenCV; repeatable. One for all pictures of one size.

    OpenCV's keeps pictures of the last size it saw: given another, it reads past their end.
    """

    def __init__(self, height: int, width: int, preset: Literal["light", "fast", "medium"] = "light") -> None:
        self._size = height, width
        self._missing = max(0, _SMALLEST - height), max(0, _SMALLEST - width)
        self._preset, self._light = _PRESETS[preset], preset == "light"
        self._search, self._refine = self._new(), self._new()

    def __call__(self, picture: Picture, other: Picture) -> Flow:
        """Where each pixel of ``picture`` lies in ``other``, both ``(H, W)`` uint8.

        Raises:
            ValueError: one has another size or dtype.
        """
        if self._is_small:
            self._search = self._new()
        return self._bounded(self._search.calc(self._padded(picture), self._padded(other), None))

    def refined(self, picture: Picture, other: Picture, about: Flow) -> Flow:
        """The same, looked for from ``about`` on, which is left as it is."""
        if about.shape != (*self._size, 2):
            raise ValueError(f"a flow is (*{self._size}, 2), not {about.shape}")
        if self._is_small:
            self._refine = self._new()
        start = np.ascontiguousarray(self._larger(about), np.float32)
        start = start.copy() if start is about else start
        return self._bounded(self._refine.calc(self._padded(picture), self._padded(other), start))

    def _new(self) -> Any:
        # Any: OpenCV's stub wants a flow to start from; without one it starts from none.
        search = cv2.DISOpticalFlow.create(self._preset)
        if self._light:
            search.setFinestScale(1)
            search.setVariationalRefinementIterations(0)
        return search

    @property
    def _is_small(self) -> bool:
        """Whether OpenCV turns its own settings down at the first picture, for good."""
        return max(self._size) < _LARGE

    def _padded(self, picture: Picture) -> Picture:
        if picture.shape != self._size or picture.dtype != np.uint8:
            raise ValueError(f"a picture is uint8{self._size}, not {picture.dtype}{picture.shape}")
        return np.ascontiguousarray(self._larger(picture))

    def _larger(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """With its last row and column repeated up to ``_SMALLEST``."""
        if not any(self._missing):
            return array
        bottom, right = self._missing
        return cv2.copyMakeBorder(array, 0, bottom, 0, right, cv2.BORDER_REPLICATE)

    def _bounded(self, flow: Flow) -> Flow:
        """Of the picture's size, and without the nan and the vast numbers that plain surfaces may give."""
        if any(self._missing):
            flow = np.ascontiguousarray(flow[: self._size[0], : self._size[1]])
        limit = float(max(self._size))
        cv2.patchNaNs(flow, 0.0)
        bounded: Flow = np.clip(flow, -limit, limit, out=flow)
        return bounded


@lru_cache(maxsize=4)
def grid(height: int, width: int) -> Flow:
    """``(H, W, 2)``: every pixel's own x and y. Read only."""
    rows, columns = np.indices((height, width), dtype=np.float32)
    places = np.stack((columns, rows), -1)
    places.setflags(write=False)
    return places


def warp(picture: npt.NDArray[Any], places: Flow, *, outside: float | None = None) -> npt.NDArray[Any]:
    """What lies at ``places`` (x, y) of ``(H, W[, C])``, bilinear to 1/32 of a pixel, dtype as the picture's.

    Beyond the picture its edge is repeated, or ``outside`` is taken.
    """
    border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    value = (outside or 0.0,) * 4
    # Any: OpenCV's stub wants a second map, which places in one array leave no need for.
    move: Any = cv2.remap
    return move(picture, places, None, cv2.INTER_LINEAR, borderMode=border, borderValue=value)


def follow(flow: Flow) -> Flow:
    """The places ``(x, y)`` that a flow leads to from each pixel."""
    places: Flow = flow + grid(*flow.shape[:2])
    return places


def scaled(places: Flow, height: int, width: int) -> Flow:
    """Places in a picture of another size, for all its pixels."""
    if places.shape[:2] == (height, width):
        return places
    x, y = width / places.shape[1], height / places.shape[0]
    moved: Any = cv2.transform(places, np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2]]))
    larger: Flow = cv2.resize(moved, (width, height), interpolation=cv2.INTER_LINEAR)
    return larger


def weighed(planes: npt.NDArray[Any], weight: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Both planes of ``(H, W, 2)`` times ``(H, W)``; float32. NumPy's broadcasting is slow there."""
    product: Any = cv2.multiply(planes, cv2.merge((weight, weight)), dtype=cv2.CV_32F)
    return product


def square(flow: Flow) -> npt.NDArray[np.float32]:
    """Squared length of every vector: ``(H, W, 2)`` to ``(H, W)``."""
    u, v = cv2.split(flow)
    return u * u + v * v
