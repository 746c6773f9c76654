"""Which of an interlaced picture's fields is first: read off decoded pictures, put on those to be encoded.

PyAV shows that a picture is interlaced, but not which field is first, and sets neither; filters do.
"""

from __future__ import annotations

import av
import av.error
from av.filter import Graph

from vidcolor.frames import FirstField
from vidcolor.media.deinterlace import buffer_options

__all__ = ["PROGRESSIVE", "WOVEN", "FieldMarker", "FieldReader", "first_field"]

PROGRESSIVE = 1
"""AV_FIELD_PROGRESSIVE."""
WOVEN: dict[FirstField, int] = {"top": 4, "bottom": 5}
"""AV_FIELD_TB and AV_FIELD_BT, by the first field of pictures in which both lie line by line, as all ours do.
MOV and Matroska get 9 and 14 by them, which mean just that (RFC 9559, 5.1.4.1.28.2; FFmpeg's own words are
wrong); by AV_FIELD_TT and AV_FIELD_BB they get 1 and 6: one field stored after the other."""
_FIRST: dict[str, FirstField] = {"tt": "top", "tb": "top", "bb": "bottom", "bt": "bottom"}


def first_field(field_order: str) -> FirstField | None:
    """The first field by FFmpeg's name of a field order; None: it is progressive, or not known."""
    return _FIRST.get(field_order)


class FieldReader:
    """Says which field of decoded pictures is first."""

    def __init__(self) -> None:
        self._select = _Filter("select")

    def __call__(self, picture: av.VideoFrame) -> FirstField | None:
        """None: the picture is progressive."""
        if not picture.interlaced_frame:
            return None
        try:
            self._select(picture, "eq(interlace_type,TOPFIRST)")
        except av.error.BlockingIOError:  # it was not selected
            return "bottom"
        return "top"


class FieldMarker:
    """Marks pictures as interlaced."""

    def __init__(self) -> None:
        self._set = _Filter("setfield")

    def __call__(self, picture: av.VideoFrame, first: FirstField) -> av.VideoFrame:
        """The same picture, with the mark."""
        return self._set(picture, "mode=tff" if first == "top" else "mode=bff")


class _Filter:
    """One of FFmpeg's filters, set up anew where what comes in changes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._kind: dict[str, str] = {}
        self._graph = Graph()

    def __call__(self, picture: av.VideoFrame, options: str) -> av.VideoFrame:
        source = buffer_options(picture)
        kind = {**source, "": options}
        if kind != self._kind:
            self._kind, self._graph = kind, Graph()
            nodes = (self._graph.add("buffer", **source), self._graph.add(self._name, options))
            self._graph.link_nodes(*nodes, self._graph.add("buffersink")).configure()
        self._graph.vpush(picture)
        return self._graph.vpull()
