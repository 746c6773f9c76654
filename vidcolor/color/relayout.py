"""Chroma planes of one layout and depth in another: what is kept of a film's own colour."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.color.chroma import luma_at_chroma, siting_offset
from vidcolor.color.planes import ColorSpace
from vidcolor.frames import ChromaLayout, Plane

__all__ = ["relayout"]


def relayout(
    plane: Plane,
    luma_size: tuple[int, int],
    layout: ChromaLayout,
    siting: str | None,
    source: ColorSpace,
    target: ColorSpace,
) -> Plane:
    """A plane of Cb or Cr as another layout and depth has it; itself where nothing differs.

    Args:
        plane: ``(h, w)`` uint8 or uint16 codes of ``source``, smaller than the luma by any powers of two.
        luma_size: height and width of the luma.
        layout: of the result.
        siting: where subsampled samples lie, before and after, in FFmpeg's words.
        source, target: depth and range.

    Returns:
        ``layout.size(*luma_size)``, uint8 or uint16 codes of ``target``.
    """
    if plane.shape != layout.size(*luma_size):
        plane = _resampled(plane, luma_size, layout, siting)
    if source.bit_depth == target.bit_depth:
        return plane
    (old, old_middle), (new, new_middle) = source.chroma_scale, target.chroma_scale
    codes = (plane.astype(np.float32) - np.float32(old_middle)) * np.float32(new / old)
    codes += np.float32(new_middle)
    top = 2**target.bit_depth - 1
    kind: Any = np.uint8 if target.bit_depth == 8 else np.uint16
    out: Plane = np.clip(np.rint(codes), 0, top).astype(kind)
    return out


def _resampled(
    plane: Plane, luma_size: tuple[int, int], layout: ChromaLayout, siting: str | None
) -> npt.NDArray[Any]:
    """By way of luma's size, unless it has that."""
    height, width = luma_size
    if plane.shape != luma_size:
        own = ChromaLayout(_power(width, plane.shape[1]), _power(height, plane.shape[0]))
        dx, dy = siting_offset(siting, own)
        x, y = 1 / (1 << own.log2_x), 1 / (1 << own.log2_y)
        # A luma sample at p lies at (p + 1/2 - d) / 2**n - 1/2 among the chroma samples.
        place = np.array([[x, 0, (0.5 - dx) * x - 0.5], [0, y, (0.5 - dy) * y - 0.5]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        plane = cv2.warpAffine(
            np.ascontiguousarray(plane), place, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
    return luma_at_chroma(np.ascontiguousarray(plane), layout, siting)


def _power(long: int, short: int) -> int:
    """The power of two, as small as can be, that a side is shorter by."""
    return next(n for n in range(5) if -(-long >> n) == short)
