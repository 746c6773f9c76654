"""From whatever a decoder gives to a plane of luma.

Formats that store luma as a plane give it up without a copy. Packed Y′CbCr is taken apart by swscale, sample
for sample. RGB, palettes and XYZ have no luma: they become BT.709 luma in limited range, and ``handed_out``
says so in the tags. One bit black and white becomes full-range grey.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from vidcolor.frames import ColorTags, Plane, VideoInfo
from vidcolor.media.subsampling import is_grey, subsampling

__all__ = ["LumaPlan", "Planarizer", "handed_out", "is_plain", "luma_plane", "plan_luma"]

DEPTHS = (8, 9, 10, 12, 14, 16)
"""Depths for which FFmpeg has planar formats."""
SUBSAMPLINGS = {(0, 0): "444", (1, 0): "422", (2, 0): "411", (1, 1): "420"}
LIMITED_BY_CONVENTION = frozenset(
    {"h264", "hevc", "vvc", "vp8", "vp9", "av1", "mpeg1video", "mpeg2video", "mpeg4", "vc1", "theora"}
)
"""Video standards in which a silent stream means limited range, grey included (H.264 E.2.1, H.265 E.3.1)."""


@dataclass(frozen=True, slots=True)
class LumaPlan:
    """How luma is got from one pixel format."""

    target: str | None
    """Format swscale converts to first; None: the format holds luma as a plane of its own."""
    bit_depth: int
    """Bits of a sample as handed out."""
    shift: int
    """Bits a sample lies too high by (P010 and its like)."""
    from_rgb: bool
    """Luma is computed as BT.709, limited range, because the source has none."""


@cache
def plan_luma(pixel_format: str) -> LumaPlan:
    """The way from one of FFmpeg's pixel formats to luma."""
    form = av.VideoFormat(pixel_format, 64, 64)
    bits = max(c.bits for c in form.components)
    if form.is_rgb or form.has_palette or form.is_bayer or pixel_format.startswith("xyz"):
        depth = 8 if form.has_palette or form.is_bayer else _planar_depth(bits)
        return LumaPlan("yuv420p" if form.is_bayer else _planar("444", depth), depth, 0, True)
    if bits < 8:
        return LumaPlan("gray", 8, 0, False)
    if _has_luma_plane(form, bits):
        msb = pixel_format.startswith(("p0", "p2", "p4")) or "msb" in pixel_format
        return LumaPlan(None, bits, 16 - bits if msb else 0, False)
    depth = _planar_depth(bits)
    if is_grey(form):
        return LumaPlan("gray" if depth == 8 else f"gray{depth}le", depth, 0, False)
    return LumaPlan(_planar(SUBSAMPLINGS.get(subsampling(form), "444"), depth), depth, 0, False)


def _has_luma_plane(form: av.VideoFormat, bits: int) -> bool:
    """One unsigned integer sample after the other in plane 0, and nothing between them."""
    alone = [c.plane for c in form.components].count(0) == 1
    return alone and bits <= 16 and not form.is_bit_stream and "f16" not in form.name


def _planar_depth(bits: int) -> int:
    return next((depth for depth in DEPTHS if depth >= bits), 16)


def _planar(subsampling: str, depth: int) -> str:
    return f"yuv{subsampling}p" if depth == 8 else f"yuv{subsampling}p{depth}le"


def handed_out(video: VideoInfo) -> VideoInfo:
    """A stream's description with depth and tags as its luma is handed out."""
    plan = plan_luma(video.pixel_format)
    tags = video.tags
    if plan.from_rgb:
        tags = replace(tags, matrix="bt709", range="limited", siting=None)
    elif tags.range is None and _is_full_range_grey(video):
        tags = replace(tags, range="full")
    elif video.codec == "vp8":  # has no other (RFC 6386, 9.2), and so its containers say nothing of it
        tags = replace(tags, matrix=tags.matrix or "bt470bg", range=tags.range or "limited")
    if tags.matrix == "gbr":
        tags = replace(tags, matrix=None)  # PNG says so of grey pictures too
    return replace(video, bit_depth=plan.bit_depth, tags=tags)


def _is_full_range_grey(video: VideoInfo) -> bool:
    """Silent grey is full range, as swscale takes it and as FFmpeg writes it, except in video standards."""
    grey = video.pixel_format.startswith(("gray", "ya", "mono"))
    return grey and video.codec not in LIMITED_BY_CONVENTION


def is_plain(pixel_format: str) -> bool:
    """Whether it is planar Y′CbCr in native order without alpha: a picture the writer can put chroma into."""
    form = av.VideoFormat(pixel_format)
    planes = [c.plane for c in form.components]
    return pixel_format.startswith("yuv") and planes == [0, 1, 2] and not form.is_big_endian


class Planarizer:
    """Brings frames that have no plane of luma into a format that has one; others pass untouched."""

    def __init__(self, tags: ColorTags) -> None:
        self._full = tags.range == "full"
        self._scaler = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        plan = plan_luma(frame.format.name)
        if plan.target is None:
            return frame
        if not plan.from_rgb:
            return self._scaler.reformat(frame, format=plan.target, interpolation=Interpolation.POINT)
        return self._scaler.reformat(
            frame,
            format=plan.target,
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
            src_color_range=ColorRange.MPEG if frame.color_range == ColorRange.MPEG else ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            dst_colorspace=Colorspace.ITU709,
        )


def luma_plane(frame: av.VideoFrame) -> Plane:
    """The luma of a frame that has a plane of it: ``(H, W)``, native order, low bits used, read only.

    A view of the frame's own memory where order and position of the bits allow; it keeps the frame alive.
    """
    plan = plan_luma(frame.format.name)
    plane = frame.planes[0]
    wide = ">u2" if frame.format.is_big_endian else "<u2"
    sample: np.dtype[Any] = np.dtype(wide if plan.bit_depth > 8 else "u1")
    rows = np.frombuffer(memoryview(plane), sample).reshape(
        plane.height, abs(plane.line_size) // sample.itemsize
    )
    luma = rows[:: -1 if plane.line_size < 0 else 1, : plane.width]
    if luma.dtype.byteorder == ">":
        luma = luma.astype(np.uint16)
    if plan.shift:
        luma = luma >> plan.shift
    luma.flags.writeable = False
    return luma
