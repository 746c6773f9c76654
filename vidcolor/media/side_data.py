"""What hangs on decoded pictures beside their samples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideData

from vidcolor.errors import InputError
from vidcolor.frames import Hdr, Orientation, VideoInfo
from vidcolor.media.source import READ_ERRORS, Source, demux, open_input

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
BRIGHTEST = 10_000
"""cd/m², of what PQ can show; encoders refuse or wrap much more."""
BRIGHTEST_CODE = 65_535
"""Of MaxCLL and MaxFALL (H.265, D.3.35)."""
FIRST_PACKETS = 100
"""Packets, from the first key frame on, within which a picture is looked for."""


def first_picture(source: Source, index: int, *, max_pixels: int) -> av.VideoFrame | None:
    """The first picture of a file's stream, from a reading of its own; None where there is none to be had.

    A header's display matrix and much of HDR10's metadata PyAV shows on pictures alone.
    """
    try:
        with open_input(source, max_pixels=max_pixels) as container:
            return _first_decoded(container, container.streams[index])
    except (InputError, *READ_ERRORS, IndexError, ValueError):
        return None  # whoever reads the film in earnest will say so


def _first_decoded(container: InputContainer, stream: Any) -> av.VideoFrame | None:
    tried = 0
    for packet in chain(demux(container, stream), [None]):
        tried += packet is not None and (packet.is_keyframe or tried > 0)
        try:
            pictures = stream.codec_context.decode(packet)
        except READ_ERRORS:
            continue
        if pictures or tried > FIRST_PACKETS:
            return next(iter(pictures), None)
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


def hdr_of(picture: av.VideoFrame) -> tuple[Hdr | None, bool]:
    """Its HDR10 metadata, and whether that is all that hangs there: what is half or cannot be is left out."""
    hung, whole = _hung(picture), True
    mastering, light = None, None
    if (found := hung.get(SideData.MASTERING_DISPLAY_METADATA)) is not None:
        mastering = _mastering(np.frombuffer(bytes(found), np.int32).tolist())
        whole = mastering is not None
    if (found := hung.get(SideData.CONTENT_LIGHT_LEVEL)) is not None:
        most, mean = np.frombuffer(bytes(found), np.uint32).tolist()[:2]
        if max(most, mean) > BRIGHTEST_CODE:
            whole = False
        elif most or mean:
            light = (most, mean)
    return (None if mastering is None and light is None else Hdr(mastering, light)), whole


def _mastering(numbers: list[int]) -> tuple[Fraction, ...] | None:
    """Of an AVMasteringDisplayMetadata: pairs of numerator and denominator, then whether it has colours and
    luminance."""
    pairs, said = numbers[: 2 * MASTERING_NUMBERS], numbers[2 * MASTERING_NUMBERS :]
    if not all(said[:2]) or not all(pairs[1::2]):
        return None
    *colors, least, most = (Fraction(*pair) for pair in zip(pairs[::2], pairs[1::2], strict=True))
    if not all(0 <= number <= 1 for number in colors) or not 0 <= least < most <= BRIGHTEST:
        return None
    return (*colors, least, most)


def unkept(picture: av.VideoFrame, video: VideoInfo, *, named: bool) -> Iterator[str]:
    """A sentence for each thing on a film's first picture that no result has.

    Args:
        picture: the first one.
        video: what is known of the film without it.
        named: whether the film could be opened once more by its name.
    """
    how = "" if named else " It could be if the film were given by name."
    hung = _hung(picture)
    if lost := [words for kind, words in NEVER_KEPT.items() if hung.get(kind) is not None]:
        yield f"Kept in no result: its {', its '.join(lost)}."
    hdr, whole = hdr_of(picture)
    if hdr is not None and video.hdr is None:
        yield f"Its HDR10 metadata (mastering display, light level) is not kept.{how}"
    elif not whole:
        yield "Some of its HDR10 metadata is incomplete or out of range, and is not kept."
    orientation, exact = orientation_of(picture) or (video.orientation, True)
    if not exact:
        yield (
            "It is to be shown stretched, or turned by other than a right angle: of that a result "
            "keeps the nearest quarter turn alone."
        )
    elif orientation != video.orientation:
        what = "mirrored" if orientation.mirrored else "turned otherwise than its header says"
        yield f"It is to be shown {what}, which is not kept.{how}"


def _hung(picture: av.VideoFrame) -> Any:
    # Not ``picture.side_data``: it is kept on the frame and holds the frame, so that each decoded picture
    # would stay in memory until Python next looks for cycles.
    make: Any = SideDataContainer  # typed as a Mapping that nobody makes; its keys are indices and kinds
    try:
        return make(picture)
    except ValueError:  # a kind newer than PyAV
        return {}
