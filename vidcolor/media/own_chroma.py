"""The chroma a decoded frame brings along, where it has any."""

from __future__ import annotations

from typing import Any

import av
import cv2
import numpy as np

from vidcolor.frames import Plane
from vidcolor.media.luma import plan_luma
from vidcolor.media.subsampling import is_grey

__all__ = ["has_chroma", "own_chroma"]


def has_chroma(pixel_format: str) -> bool:
    """Whether pictures of one of FFmpeg's formats may be in colour."""
    form = av.VideoFormat(pixel_format)
    return form.has_palette or form.is_bayer or not is_grey(form)


def own_chroma(frame: av.VideoFrame) -> tuple[Plane, Plane] | None:
    """Cb and Cr of a frame that has a plane of luma; None where it has no chroma or all of it is neutral.

    ``(h, w)`` as the format subsamples them, native order, low bits used, read only; views of the frame's own
    memory where luma is one, so that they cost nothing beside it.
    """
    if is_grey(frame.format):
        return None
    plan = plan_luma(frame.format.name)
    neutral, planes = 1 << (plan.bit_depth - 1), []
    for index in (1, 2):
        plane = _component(frame, index)
        if plan.shift:
            plane = plane >> plan.shift
        planes.append(plane)
    if all(_is_plain(plane, neutral) for plane in planes):
        return None
    for plane in planes:
        plane.flags.writeable = False
    return planes[0], planes[1]


def _is_plain(plane: Plane, code: int) -> bool:
    """Whether all samples are this one; that most frames in colour are not is seen by a few."""
    if bool((plane[::16, ::16] != code).any()):
        return False
    dense: Any = np.ascontiguousarray(plane)
    least, most, _, _ = cv2.minMaxLoc(dense)
    return bool(least == code == most)


def _component(frame: av.VideoFrame, index: int) -> Plane:
    """Samples of one of the components; two may share a plane, one after the other (NV12 and its like)."""
    component = frame.format.components[index]
    plane = frame.planes[component.plane]
    sample: np.dtype[Any] = np.dtype(
        (">u2" if frame.format.is_big_endian else "<u2") if component.bits > 8 else "u1"
    )
    rows = np.frombuffer(memoryview(plane), sample).reshape(
        plane.height, abs(plane.line_size) // sample.itemsize
    )
    rows = rows[:: -1 if plane.line_size < 0 else 1]
    sharing = [c for c in frame.format.components if c.plane == component.plane]
    step = len(sharing)
    # FFmpeg lists Cb before Cr whatever their order in memory; NV21 and NV42 alone have Cr first.
    swapped = step == 2 and frame.format.name in ("nv21", "nv42")
    first = 0 if step == 1 else (index - 1) ^ swapped
    width = frame.format.chroma_width(frame.width)
    found = rows[:, first : first + step * width : step]
    return found.astype(np.uint16) if found.dtype.byteorder == ">" else found
