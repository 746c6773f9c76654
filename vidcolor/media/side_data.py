"""What hangs on decoded pictures beside their samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideData

__all__ = ["has_captions", "unkept"]


def has_captions(picture: av.VideoFrame) -> bool:
    """Whether closed captions (CTA-708) hang on it."""
    return _hung(picture).get(SideData.A53_CC) is not None


def unkept(picture: av.VideoFrame) -> Iterator[str]:
    """A sentence for each thing on a film's first picture that no result has."""
    hung = _hung(picture)
    if any(
        hung.get(kind) is not None
        for kind in (SideData.MASTERING_DISPLAY_METADATA, SideData.CONTENT_LIGHT_LEVEL)
    ):
        yield "Its HDR10 metadata (mastering display, light level) is kept in no result."
    matrix = hung.get(SideData.DISPLAYMATRIX)
    if matrix is not None and not _is_quarter_turn(np.frombuffer(bytes(matrix), np.int32)):
        yield (
            "It is to be shown mirrored, stretched, or turned by other than a right angle: of that a result "
            "keeps the nearest quarter turn alone."
        )


def _is_quarter_turn(matrix: np.ndarray) -> bool:
    """Whether a display matrix's nine numbers (ISO/IEC 14496-12, 6.2.2) turn by right angles alone."""
    a, b, c, d = (int(matrix[n]) for n in (0, 1, 3, 4))
    return (a, b) == (d, -c) and 0 in (a, b)


def _hung(picture: av.VideoFrame) -> Any:
    # Not ``picture.side_data``: it is kept on the frame and holds the frame, so that each decoded picture
    # would stay in memory until Python next looks for cycles.
    make: Any = SideDataContainer  # typed as a Mapping that nobody makes; its keys are indices and kinds
    try:
        return make(picture)
    except ValueError:  # a kind newer than PyAV
        return {}
