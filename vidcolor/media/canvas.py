"""From a coloured frame to the picture the encoder takes: luma as it was, chroma as it was made."""

from __future__ import annotations

from typing import Any

import av
import av.filter
import numpy as np
import numpy.typing as npt

from vidcolor.frames import ColorFrame, ColorTags, Plane
from vidcolor.media.encoders import OutputFormat
from vidcolor.media.names import MATRICES, PRIMARIES, RANGES, TRANSFERS
from vidcolor.media.side_data import has_captions

__all__ = ["Canvas", "color_codes", "requantise"]

_CODES = {
    "color_range": {name: code for code, name in RANGES.items()},
    "colorspace": {name: code for code, name in MATRICES.items()},
    "color_primaries": {name: code for code, name in PRIMARIES.items()},
    "color_trc": {name: code for code, name in TRANSFERS.items()},
}
_UNSPECIFIED = {"color_range": 0, "colorspace": 2, "color_primaries": 2, "color_trc": 2}


def color_codes(tags: ColorTags) -> dict[str, int]:
    """PyAV's attributes of frames and codec contexts, and their H.273 numbers."""
    names = (tags.range, tags.matrix, tags.primaries, tags.transfer)
    return {
        attribute: _UNSPECIFIED[attribute] if name is None else codes.get(name, _UNSPECIFIED[attribute])
        for (attribute, codes), name in zip(_CODES.items(), names, strict=True)
    }


def requantise(luma: Plane, source: int, target: int, *, full: bool) -> Plane:
    """Luma codes of ``source`` bits as codes of ``target`` bits, rounded to nearest.

    Limited range scales by powers of two (BT.709 gives 8-bit levels × 2^(n-8)); full range by the
    ratio of the largest codes.
    """
    if source == target:
        return luma
    kind = np.uint8 if target == 8 else np.uint16
    if full:
        return _full_range_table(source, target, kind)[luma]
    if target > source:
        return np.left_shift(luma, target - source, dtype=kind)
    down = source - target
    rounded = (luma.astype(np.uint32) + (1 << (down - 1))) >> down
    return np.minimum(rounded, (1 << target) - 1).astype(kind)


def _full_range_table(source: int, target: int, kind: Any) -> npt.NDArray[Any]:
    """Every code of ``source`` bits, converted."""
    codes = np.arange(1 << source, dtype=np.int64)
    top, bottom = (1 << target) - 1, (1 << source) - 1
    return ((2 * codes * top + bottom) // (2 * bottom)).astype(kind)


class Canvas:
    """Makes pictures of one size and format."""

    def __init__(
        self, form: OutputFormat, width: int, height: int, tags: ColorTags, *, source_depth: int
    ) -> None:
        """``source_depth``: bits of the luma that comes in."""
        self._form = form
        self._size = (width, height)
        self._chroma = form.layout.size(height, width)
        self._codes = color_codes(tags)
        self._full = tags.range == "full"
        self._source_depth = source_depth
        self._kind = np.dtype("u1" if form.depth == 8 else "<u2")
        self._captions: _CaptionCopier | None = None

    def paint(self, frame: ColorFrame) -> av.VideoFrame:
        """The picture of a frame, without its time."""
        self._check(frame)
        picture = self._empty(frame.frame.carrier)
        luma = requantise(frame.frame.luma, self._source_depth, self._form.depth, full=self._full)
        for plane, samples in zip(picture.planes, (luma, frame.cb, frame.cr), strict=True):
            self._fill(plane, samples)
        for attribute, code in self._codes.items():
            setattr(picture, attribute, code)
        return picture

    def _check(self, frame: ColorFrame) -> None:
        width, height = self._size
        if frame.frame.luma.shape != (height, width):
            raise ValueError(f"the luma is {frame.frame.luma.shape}, not {(height, width)}")
        for name, plane in (("cb", frame.cb), ("cr", frame.cr)):
            if plane.shape != self._chroma or plane.dtype != self._kind:
                raise ValueError(
                    f"{name} is {plane.dtype}{plane.shape}, not {self._kind}{self._chroma} "
                    f"({self._form.depth} bits)"
                )

    def _empty(self, carrier: Any) -> av.VideoFrame:
        """A picture to fill: a new one, or a copy of the decoded one where that carries captions."""
        if isinstance(carrier, av.VideoFrame) and has_captions(carrier):
            if self._captions is None:
                self._captions = _CaptionCopier(carrier, self._form.name)
            if self._captions.fits(carrier):
                return self._captions.copy(carrier)
        return av.VideoFrame(*self._size, self._form.name)

    def _fill(self, plane: Any, samples: Plane) -> None:
        row = plane.line_size // self._kind.itemsize
        stored = np.frombuffer(plane, self._kind).reshape(plane.height, row)
        stored[:, : plane.width] = samples


class _CaptionCopier:
    """Copies decoded frames together with what hangs on them.

    PyAV cannot put side data on a frame, so the copy goes through a filter graph. The decoded frame
    itself is never written to: the decoder may still predict from it, and the luma of the frame that
    travels down the pipeline may be a view of it.
    """

    def __init__(self, carrier: av.VideoFrame, target: str) -> None:
        self._kind = (carrier.width, carrier.height, carrier.format.name)
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=carrier.width,
            height=carrier.height,
            format=carrier.format,
            time_base=carrier.time_base,
        )
        shape = graph.add("format", pix_fmts=target)
        sink = graph.add("buffersink")
        source.link_to(shape)
        shape.link_to(sink)
        graph.configure()
        self._graph = graph

    def fits(self, carrier: av.VideoFrame) -> bool:
        return (carrier.width, carrier.height, carrier.format.name) == self._kind

    def copy(self, carrier: av.VideoFrame) -> av.VideoFrame:
        self._graph.vpush(carrier)
        picture = self._graph.vpull()
        assert isinstance(picture, av.VideoFrame)
        picture.make_writable()
        picture.pict_type = 0  # or the encoder copies the source's frame types
        return picture
