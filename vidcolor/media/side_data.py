"""What hangs on decoded pictures beside their samples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideData

from vidcolor.errors import InputError
from vidcolor.frames import Hdr, Orientation, VideoInfo
from vidcolor.media.source import Source, open_input

__all__ = ["first_picture", "has_captions", "hdr_of", "orientation_of", "unkept"]

MASTERING_NUMBERS = 10
"""x and y of three primaries and of white, then the least and the most luminance."""
NEVER_KEPT = {
    SideData.DYNAMIC_HDR_PLUS: "HDR10+ metadata",
    SideData.DYNAMIC_HDR_VIVID: "HDR Vivid metadata",
    SideData.DOVI_METADATA: "Dolby Vision metadata",
    SideData.STEREO3D: "mark as stereoscopic",
    SideData.SPHERICAL: "mark as spherical (360°)",
}
"""What PyAV's encoders cannot be given."""
FIRST_PACKETS = 100
"""Packets of the film within which a picture is looked for."""


def first_picture(source: Source, index: int, *, max_pixels: int) -> av.VideoFrame | None:
    """The first picture of a file's stream, from a reading of its own; None where there is none to be had.

    A header's display matrix and much of HDR10's metadata PyAV shows on pictures alone.
    """
    try:
        with open_input(source, max_pixels=max_pixels) as container:
            stream = container.streams[index]
            for number, packet in enumerate(container.demux(stream)):
                for picture in packet.decode():
                    return picture if isinstance(picture, av.VideoFrame) else None
                if number >= FIRST_PACKETS:
                    break
    except (InputError, av.error.FFmpegError, OSError, IndexError, ValueError):
        pass  # whoever reads the film in earnest will say so
    return None


def has_captions(picture: av.VideoFrame) -> bool:
    """Whether closed captions (CTA-708) hang on it."""
    return _hung(picture).get(SideData.A53_CC) is not None


def orientation_of(picture: av.VideoFrame) -> tuple[Orientation, bool] | None:
    """How it is brought upright, to the nearest quarter turn, and whether that is all its matrix says.

    None where it has no display matrix.
    """
    matrix = _hung(picture).get(SideData.DISPLAYMATRIX)
    if matrix is None:
        return None
    numbers = np.frombuffer(bytes(matrix), np.int32).tolist()  # ISO/IEC 14496-12, 6.2.2
    a, b, c, d = (numbers[n] for n in (0, 1, 3, 4))
    mirrored = a * d < b * c
    if mirrored:  # after the turn, whose first column it negates
        a, c = -a, -c
    turns = round(math.atan2(-b, a) / (math.pi / 2)) % 4
    return Orientation(turns, mirrored), (a, b) == (d, -c) and 0 in (a, b)


def hdr_of(picture: av.VideoFrame) -> Hdr | None:
    """Its HDR10 metadata; None where it has none, or half of a display's."""
    hung = _hung(picture)
    mastering, light = None, None
    if (found := hung.get(SideData.MASTERING_DISPLAY_METADATA)) is not None:
        # AVMasteringDisplayMetadata: pairs of numerator and denominator, then whether colours and luminance
        # are among them.
        numbers = np.frombuffer(bytes(found), np.int32).tolist()
        pairs, said = numbers[: 2 * MASTERING_NUMBERS], numbers[2 * MASTERING_NUMBERS :]
        if all(said[:2]) and all(pairs[1::2]):
            mastering = tuple(Fraction(*pair) for pair in zip(pairs[::2], pairs[1::2], strict=True))
    if (found := hung.get(SideData.CONTENT_LIGHT_LEVEL)) is not None:
        most, mean = np.frombuffer(bytes(found), np.uint32).tolist()[:2]
        light = (most, mean) if most or mean else None
    return None if mastering is None and light is None else Hdr(mastering, light)


def unkept(picture: av.VideoFrame, video: VideoInfo) -> Iterator[str]:
    """A sentence for each thing on a film's first picture that no result has.

    Args:
        picture: the first one.
        video: what is known of the film without it.
    """
    hung = _hung(picture)
    if lost := [words for kind, words in NEVER_KEPT.items() if hung.get(kind) is not None]:
        yield f"Its {' and '.join(lost)} is kept in no result."
    if hdr_of(picture) is not None and video.hdr is None:
        yield "Its HDR10 metadata is kept only where the film is given by name."
    orientation, exact = orientation_of(picture) or (video.orientation, True)
    if not exact:
        yield (
            "It is to be shown stretched, or turned by other than a right angle: of that a result "
            "keeps the nearest quarter turn alone."
        )
    elif orientation != video.orientation:
        yield "It is to be shown mirrored, which is kept only where the film is given by name."


def _hung(picture: av.VideoFrame) -> Any:
    # Not ``picture.side_data``: it is kept on the frame and holds the frame, so that each decoded picture
    # would stay in memory until Python next looks for cycles.
    make: Any = SideDataContainer  # typed as a Mapping that nobody makes; its keys are indices and kinds
    try:
        return make(picture)
    except ValueError:  # a kind newer than PyAV
        return {}
