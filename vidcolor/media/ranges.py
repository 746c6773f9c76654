"""A film in one range: frames of the other are brought into it, so that they are shown as they were meant.

By tables: swscale (FFmpeg 8.1) is a code off in some luma above 8 bits and in nearly half of all chroma, and
takes all grey for full range.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Interpolation

from vidcolor.frames import VideoInfo
from vidcolor.media.containers import RANGELESS
from vidcolor.media.luma import LIMITED_BY_CONVENTION, plan_luma

__all__ = ["OneRange", "plain_name"]


def plain_name(pixel_format: str) -> str:
    """A format's name without the "j" by which FFmpeg says that 8-bit samples are full range."""
    return pixel_format.replace("yuvj", "yuv")


class OneRange:
    """Knows which frames of a film are of another range than the film, and converts them."""

    def __init__(self, video: VideoInfo, container: str) -> None:
        """
        Args:
            video: the stream as it is handed out.
            container: FFmpeg's name of the demuxer.
        """
        full = video.tags.range == "full"
        self._silent = _code(full and video.codec not in LIMITED_BY_CONVENTION)
        # Where the container has no word for it, the header's is one of the frames'. Elsewhere it need not be
        # any: decoders say "limited" of all ProRes, whatever its file says.
        self._wanted = _code(full) if container in RANGELESS else None

    def differs(self, frame: av.VideoFrame) -> bool:
        """Whether a frame, which has a plane of luma, must be converted; asked for every frame in turn."""
        said = frame.color_range or self._silent
        if self._wanted is None:
            self._wanted = said
        return said != self._wanted

    def converted(self, frame: av.VideoFrame) -> av.VideoFrame:
        """A frame of the other range in the film's; it may be the same object."""
        plan, full = plan_luma(frame.format.name), self._wanted == ColorRange.JPEG
        target = frame if full else _renamed(frame)
        target.make_writable()  # the decoder may still predict from it
        kind = np.dtype((">u2" if frame.format.is_big_endian else "<u2") if plan.bit_depth > 8 else "u1")
        for index in range(min(len(frame.planes), 3)):
            new, old = (_rows(picture.planes[index], kind) for picture in (target, frame))
            row = min(new.shape[1], old.shape[1])
            table = _table(plan.bit_depth, to_full=full, chroma=index > 0)
            # What lies between the ends of rows may be larger than any code.
            new[:, :row] = table.take(old[:, :row] >> plan.shift, mode="clip") << plan.shift
        target.color_range = _code(full)
        return target


def _code(full: bool) -> int:
    return int(ColorRange.JPEG if full else ColorRange.MPEG)


def _renamed(frame: av.VideoFrame) -> av.VideoFrame:
    """A frame to fill with limited range: a format whose name says the other cannot be."""
    name = plain_name(frame.format.name)
    if name == frame.format.name:
        return frame
    ranges = {"src_color_range": ColorRange.JPEG, "dst_color_range": ColorRange.MPEG}
    return frame.reformat(format=name, interpolation=Interpolation.POINT, **ranges)


def _rows(plane: Any, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    return np.frombuffer(plane, kind).reshape(plane.height, abs(plane.line_size) // kind.itemsize)


@cache
def _table(bits: int, *, to_full: bool, chroma: bool) -> npt.NDArray[np.uint16]:
    """Every code of one range in the other, rounded to nearest (H.273, 8.3)."""
    unit, top = 1 << (bits - 8), (1 << bits) - 1
    swing = (224 if chroma else 219) * unit
    zero = 128 * unit if chroma else 16 * unit
    was, becomes = (swing, top) if to_full else (top, swing)
    zeros = (zero, zero) if chroma else ((zero, 0) if to_full else (0, zero))
    codes = np.arange(1 << bits, dtype=np.int64) - zeros[0]
    found = (2 * codes * becomes + was) // (2 * was) + zeros[1]
    return np.clip(found, 0, top).astype(np.uint16)
