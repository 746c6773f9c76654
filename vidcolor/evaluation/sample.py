"""Frames as they are measured: small, in codes of 8 bits, as players show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.color.planes import ColorSpace
from vidcolor.color.resize import shrink
from vidcolor.color.shown import Rgb, as_srgb, exact_rgb, rgb_matrix
from vidcolor.frames import Frame, Plane, VideoInfo
from vidcolor.media.picture import upright_size
from vidcolor.temporal.shots import Small, small_luma

__all__ = ["Look", "Sample", "Sampler"]

_NEUTRAL = 128
_MOTION_SIDE = 192
"""Pixels of the long side of the pictures that motion is looked for in: so that it keeps up with a run."""
_Codes = npt.NDArray[np.uint8]


@dataclass(slots=True)
class Look:
    """A frame's colour, one of two: a result's or the truth's."""

    rgb: Rgb
    """As large as it is measured, stored orientation."""
    small: Rgb
    """The same in the size that motion is looked for in."""
    chroma: npt.NDArray[np.float32]
    """``(h, w, 2)``: Cb and Cr as large as ``small``, in codes of 8 bits. Not rounded again: of colour that
    follows motion exactly, that would be most of what it changes by."""


@dataclass(slots=True)
class Sample:
    """A frame to be measured."""

    seconds: float
    """From the film's beginning."""
    luma: _Codes
    """The truth's where there is one; as large as :attr:`Look.small`."""
    tiny: Small
    """The same for the shot detector."""
    result: Look
    truth: Look | None = None
    bare: _Codes | None = None
    """The truth's luma as large as it is measured, for :meth:`Sampler.grey`."""


class Sampler:
    """Makes what is measured of the frames of one film."""

    def __init__(self, video: VideoInfo, short_side: int) -> None:
        """``short_side``: of what is measured, in pixels, at most."""
        self._space = ColorSpace.of(video.tags, height=video.height, width=video.width, bit_depth=8)
        self._matrix = rgb_matrix(self._space)
        self._depth = video.bit_depth
        scale = min(1.0, short_side / min(video.height, video.width))
        self.size = max(round(video.height * scale), 1), max(round(video.width * scale), 1)
        shrunk = min(1.0, _MOTION_SIDE / max(self.size))
        self.motion_size = max(round(self.size[0] * shrunk), 1), max(round(self.size[1] * shrunk), 1)
        self._orientation = video.orientation
        self._seen = upright_size(video)

    def result(self, frame: Frame, seconds: float, chroma: Sequence[Plane] | None) -> Sample:
        """A frame as a result without truth; ``chroma``: Cb and Cr as deep as its luma, None: neutral."""
        luma = self._luma(frame)
        return Sample(
            seconds, self._shrunk(luma), small_luma(frame.luma, self._depth), self._look(luma, chroma)
        )

    def compared(
        self,
        frame: Frame,
        seconds: float,
        chroma: Sequence[Plane] | None,
        result: Sequence[Plane] | None,
        other: tuple[Sampler, Frame] | None = None,
    ) -> Sample:
        """A frame of the truth with the same frame of a result.

        Args:
            frame: of the truth.
            seconds: when.
            chroma: the true Cb and Cr.
            result: the result's.
            other: the result's own frame and what is made of those; None: it has the truth's luma.
        """
        luma = self._luma(frame)
        looked = other[0]._look(other[0]._luma(other[1]), result) if other else self._look(luma, result)
        return Sample(
            seconds,
            self._shrunk(luma),
            small_luma(frame.luma, self._depth),
            looked,
            self._look(luma, chroma),
            luma,
        )

    def grey(self, luma: _Codes) -> Rgb:
        """The truth without its colour."""
        return self._rgb(luma, None)

    def upright(self, rgb: Rgb, short_side: int) -> Rgb:
        """A picture as it is seen, turned and with square samples, its short side at most so long."""
        width, height = self._seen
        turned: Any = np.ascontiguousarray(self._orientation.upright(rgb))
        scale = min(short_side, *turned.shape[:2]) / min(width, height)
        return np.ascontiguousarray(
            shrink(turned, max(round(height * scale), 1), max(round(width * scale), 1))
        )

    def _luma(self, frame: Frame) -> _Codes:
        return self._eight(shrink(frame.luma, *self.size))

    def _look(self, luma: _Codes, chroma: Sequence[Plane] | None) -> Look:
        height, width = self.size
        if chroma is None:
            neutral = np.full((*self.motion_size, 2), _NEUTRAL, np.float32)
            rgb = self._rgb(luma, None)
            return Look(rgb, self._shrunk(rgb), neutral)
        planes = [self._eight(shrink(plane, height, width)) for plane in chroma]
        rgb = self._rgb(luma, planes)
        unit = np.float32(2.0 ** (8 - self._depth))
        exact = [shrink(plane.astype(np.float32), *self.motion_size) * unit for plane in chroma]
        small: Any = cv2.merge(exact)
        return Look(rgb, self._shrunk(rgb), small)

    def _shrunk(self, picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.ascontiguousarray(shrink(picture, *self.motion_size))

    def _rgb(self, luma: _Codes, chroma: Sequence[_Codes] | None) -> Rgb:
        if chroma is None:
            neutral = np.full_like(luma, _NEUTRAL)
            chroma = neutral, neutral
        return as_srgb(exact_rgb((luma, *chroma), self._matrix), self._space)

    def _eight(self, plane: Plane) -> _Codes:
        """Codes of 8 bits, rounded."""
        if self._depth == 8:
            return np.ascontiguousarray(plane)
        shift = self._depth - 8
        wide = plane.astype(np.uint32) + (1 << (shift - 1))
        return np.ascontiguousarray(np.minimum(wide >> shift, 255).astype(np.uint8))
