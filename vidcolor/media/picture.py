"""A decoded frame as an RGB picture, upright and with square samples, at any size."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from vidcolor.frames import Frame, VideoInfo

__all__ = ["PictureMaker", "upright_size"]

Rgb = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Left, top, width, height."""


def upright_size(video: VideoInfo) -> tuple[float, float]:
    """Width and height of a film's picture as it is seen: turned, and with square samples as high as the
    stored ones (as wide, where it is turned by a quarter)."""
    width, height = video.width * float(video.sample_aspect), float(video.height)
    return (height, width) if video.orientation.sideways else (width, height)


class PictureMaker:
    """Makes pictures of the frames of one film; may be called from several threads.

    Planes are scaled as they are, chroma to luma's size, and become RGB only then: swscale's own way to RGB
    gives two neighbouring pixels one chroma sample, or costs three times as much.
    """

    def __init__(self, video: VideoInfo, to_rgb: npt.NDArray[np.float32], *, full_range: bool) -> None:
        """``to_rgb``: ``(3, 4)``, what makes R′G′B′ (0 to 255) of 8-bit codes Y′, Cb, Cr and 1."""
        self._video = video
        self._to_rgb = to_rgb
        # Above 8 bits swscale would dither on its way down to 8, in the chroma planes too.
        self._format = "yuv444p" if video.bit_depth == 8 else "yuv444p16le"
        self._range = ColorRange.JPEG if full_range else ColorRange.MPEG
        self._threads = threading.local()

    def __call__(self, frame: Frame, size: tuple[int, int], boxes: Sequence[Box]) -> list[Rgb]:
        """Parts of the upright picture at ``size`` (width, height).

        ``(h, w, 3)`` uint8, R, G, B. The frame must carry its picture (``VideoReader(pictures=True)``).
        """
        orientation = self._video.orientation
        width, height = size[::-1] if orientation.sideways else size
        scaled = self._scaler().reformat(
            frame.carrier,
            width=width,
            height=height,
            format=self._format,
            interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT,
            src_color_range=self._range,
            dst_color_range=self._range,
            threads=1,
        )
        wide = self._format != "yuv444p"
        planes = [orientation.upright(_samples(plane, wide)) for plane in scaled.planes]
        return [self._part(planes, box) for box in boxes]

    def _part(self, planes: Sequence[npt.NDArray[Any]], box: Box) -> Rgb:
        left, top, width, height = box
        cut = [np.ascontiguousarray(plane[top : top + height, left : left + width]) for plane in planes]
        codes: Any = cv2.merge(cut)
        if codes.dtype == np.uint8:
            return cast(Rgb, cv2.transform(codes, self._to_rgb))
        rgb = cv2.transform(codes.astype(np.float32) / 256, self._to_rgb)
        return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)

    def _scaler(self) -> VideoReformatter:
        """The thread's own: it keeps swscale's tables from one frame to the next."""
        scaler: VideoReformatter | None = getattr(self._threads, "scaler", None)
        if scaler is None:
            scaler = self._threads.scaler = VideoReformatter()
        return scaler


def _samples(plane: Any, wide: bool) -> npt.NDArray[Any]:
    sample = np.dtype("<u2" if wide else "u1")
    rows = np.frombuffer(memoryview(plane), sample).reshape(plane.height, plane.line_size // sample.itemsize)
    return rows[:, : plane.width]
